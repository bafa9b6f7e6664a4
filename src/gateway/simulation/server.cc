#include "gateway/simulation/server.h"

#include <algorithm>

#include "base/check.h"

namespace lotagate::simulation {

void Server::start() {
  LG_CHECK(!listener_, "a server is started twice");
  auto handle = reactor_.backend().listen(address_);
  LG_CHECK(handle.has_value(), "a server cannot listen");
  listener_ = std::make_unique<Socket>(reactor_, *handle);
  spawn(*this, accept_loop());
}

void Server::die() {
  Error error{.code = ErrorCode::internal, .reason = "dies"};
  if (listener_) listener_->cancel(error);
  for (PeerStream* stream : streams_) {
    stream->socket().abort_on_close();
    stream->socket().cancel(error);
  }
}

Task<void> Server::accept_loop() {
  ++running_;
  while (true) {
    auto wait = co_await listener_->readable(kNever);
    if (wait != Wait::ready) break;
    auto taken = reactor_.backend().accept(listener_->handle());
    if (taken) {
      spawn(*this, run(*taken));
    } else {
      listener_->nothing_to_read();
    }
  }
  listener_.reset();
  --running_;
}

Task<void> Server::run(Accepted accepted) {
  ++running_;
  auto stream = std::make_unique<PeerStream>(reactor_, accepted.handle, patience_);
  streams_.push_back(stream.get());
  co_await serve(*stream, accepted.peer);
  std::erase(streams_, stream.get());
  stream.reset();
  --running_;
}

}  // namespace lotagate::simulation
