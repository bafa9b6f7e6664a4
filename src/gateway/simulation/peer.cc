#include "gateway/simulation/peer.h"

#include <algorithm>
#include <charconv>

namespace lotagate::simulation {
namespace {

constexpr seconds kWritePatience{60};
constexpr std::size_t kMaxHeadBytes = std::size_t{128} * 1024;

bool is_name(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c > ' ' && c < 127 && c != ':' && c != '"'; });
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

}  // namespace

const std::string* PeerHead::only(std::string_view name) const {
  const std::string* found = nullptr;
  for (const auto& [field, value] : fields) {
    if (field != name) continue;
    if (found != nullptr) return nullptr;
    found = &value;
  }
  return found;
}

std::size_t PeerHead::count(std::string_view name) const {
  return static_cast<std::size_t>(std::ranges::count(fields, name, &std::pair<std::string, std::string>::first));
}

std::optional<PeerHead> parse_peer_head(std::string_view text) {
  PeerHead head;
  while (true) {
    auto end = text.find("\r\n");
    if (end == std::string_view::npos) return std::nullopt;
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end + 2);
    bool plain = std::ranges::all_of(line, [](char c) { return c == '\t' || (c >= ' ' && c != 127) || c < 0; });
    if (!plain) return std::nullopt;
    if (head.first_line.empty()) {
      if (line.empty()) return std::nullopt;
      head.first_line = line;
      continue;
    }
    if (line.empty()) break;
    auto colon = line.find(": ");
    if (colon == std::string_view::npos || !is_name(line.substr(0, colon))) return std::nullopt;
    head.fields.emplace_back(lower(line.substr(0, colon)), line.substr(colon + 2));
  }
  if (!text.empty()) return std::nullopt;
  return head;
}

Task<bool> PeerStream::connected() {
  socket_.expect_connect();
  auto wait = co_await socket_.writable(reactor_.now() + patience_);
  bool done = wait == Wait::ready && reactor_.backend().connect_error(socket_.handle()) == 0;
  if (!done) end_ = wait == Wait::timed_out ? PeerEnd::too_slow : PeerEnd::reset;
  co_return done;
}

Task<bool> PeerStream::fill() {
  while (end_ == PeerEnd::open) {
    auto wait = co_await socket_.readable(reactor_.now() + patience_);
    if (wait != Wait::ready) {
      end_ = wait == Wait::timed_out ? PeerEnd::too_slow : PeerEnd::reset;
      break;
    }
    IoResult result = socket_.try_receive(piece_);
    if (result.status == IoStatus::would_block) continue;
    if (result.status == IoStatus::ok) {
      pending_.append(piece_.data(), result.bytes);
      received_bytes_ += result.bytes;
      co_return true;
    }
    end_ = result.status == IoStatus::closed && !broken_ ? PeerEnd::closed : PeerEnd::reset;
  }
  co_return false;
}

Task<std::optional<std::string>> PeerStream::read_head() {
  std::size_t looked_at = 0;
  while (true) {
    auto found = pending_.find("\r\n\r\n", looked_at);
    if (found != std::string::npos) {
      std::string head = pending_.substr(0, found + 4);
      pending_.erase(0, found + 4);
      co_return std::optional(std::move(head));
    }
    looked_at = pending_.size() < 3 ? 0 : pending_.size() - 3;
    if (pending_.size() > kMaxHeadBytes) co_return std::nullopt;
    bool more = co_await fill();
    if (!more) co_return std::nullopt;
  }
}

Task<std::optional<std::string>> PeerStream::read_line() {
  while (true) {
    auto found = pending_.find("\r\n");
    if (found != std::string::npos) {
      std::string line = pending_.substr(0, found);
      pending_.erase(0, found + 2);
      co_return std::optional(std::move(line));
    }
    bool more = co_await fill();
    if (!more) co_return std::nullopt;
  }
}

Task<std::optional<std::string>> PeerStream::read_exactly(std::size_t bytes) {
  while (pending_.size() < bytes) {
    bool more = co_await fill();
    if (!more) co_return std::nullopt;
  }
  std::string taken = pending_.substr(0, bytes);
  pending_.erase(0, bytes);
  co_return std::optional(std::move(taken));
}

Task<std::optional<std::string>> PeerStream::read_chunks() {
  std::string body;
  while (true) {
    auto line = co_await read_line();
    if (!line) co_return std::nullopt;
    std::size_t size = 0;
    auto parsed = std::from_chars(line->data(), line->data() + line->size(), size, 16);
    if (parsed.ec != std::errc() || parsed.ptr != line->data() + line->size()) co_return std::nullopt;
    auto data = co_await read_exactly(size + 2);
    if (!data || !data->ends_with("\r\n")) co_return std::nullopt;
    if (size == 0) co_return std::optional(std::move(body));
    body.append(*data, 0, size);
  }
}

Task<bool> PeerStream::write(std::string bytes) {
  iovec part{bytes.data(), bytes.size()};
  auto sent = co_await send_all(reactor_, socket_, std::span(&part, 1), kWritePatience);
  sent_bytes_ += sent.bytes;
  if (sent.status == SendStatus::closed) broken_ = true;          // a later read would only say that it is over
  if (sent.status != SendStatus::sent) socket_.abort_on_close();  // what is cut must not look ended
  co_return sent.status == SendStatus::sent;
}

Task<bool> PeerStream::write_slowly(std::string bytes, std::size_t piece_bytes, nanoseconds pause) {
  for (std::size_t at = 0; at < bytes.size(); at += piece_bytes) {
    co_await Sleep(reactor_, pause);
    std::string piece = bytes.substr(at, piece_bytes);
    auto sent = co_await write(std::move(piece));
    if (!sent) co_return false;
  }
  co_return true;
}

}  // namespace lotagate::simulation
