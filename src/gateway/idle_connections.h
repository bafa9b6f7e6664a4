// The connections of one worker that wait for a request, in the order in which they began to: who has waited longest
// makes room first (S05). The links lie in the connections themselves.
#pragma once

namespace lotagate {

class IdleConnections;

class IdleLink {
 public:
  IdleLink() = default;
  IdleLink(const IdleLink&) = delete;
  IdleLink& operator=(const IdleLink&) = delete;
  bool linked() const { return next_ != nullptr; }

 private:
  friend class IdleConnections;
  IdleLink* previous_ = nullptr;
  IdleLink* next_ = nullptr;
};

class IdleConnections {
 public:
  IdleConnections() { ends_.previous_ = ends_.next_ = &ends_; }

  void add(IdleLink& link) {
    link.previous_ = ends_.previous_;
    link.next_ = &ends_;
    ends_.previous_->next_ = &link;
    ends_.previous_ = &link;
  }
  void remove(IdleLink& link) {
    link.previous_->next_ = link.next_;
    link.next_->previous_ = link.previous_;
    link.previous_ = link.next_ = nullptr;
  }
  // Null if there is none.
  IdleLink* oldest() { return ends_.next_ == &ends_ ? nullptr : ends_.next_; }

 private:
  IdleLink ends_;  // before the oldest and behind the newest
};

}  // namespace lotagate
