#include "gateway/admin.h"

#include <pthread.h>

#include "base/buffer.h"
#include "http/head.h"

namespace lotagate {
namespace {

constexpr seconds kRequestTime{5};  // to send a request, and between two steps of taking the answer

std::string response(std::uint16_t status, std::string_view type, std::string_view body, bool to_head) {
  std::string out =
      "HTTP/1.1 " + std::to_string(status) + " " + std::string(status_title(status)) + "\r\nContent-Type: ";
  out += type;
  out += "\r\nContent-Length: " + std::to_string(body.size());
  out += "\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n";
  if (!to_head) out += body;
  return out;
}

}  // namespace

AdminServer::AdminServer(std::function<AdminPage(std::string_view)> page)
    : page_(std::move(page)), reactor_(backend_) {}

AdminServer::~AdminServer() { stop(); }

std::expected<SocketAddress, int> AdminServer::listen(const SocketAddress& address) {
  auto handle = backend_.listen(address);
  if (!handle) return std::unexpected(handle.error());
  listener_ = std::make_unique<Socket>(reactor_, *handle);
  return backend_.local_address(*handle);
}

void AdminServer::start() {
  accepting_ = true;
  thread_ = std::thread([this] { run(); });
}

void AdminServer::stop() {
  if (thread_.joinable()) {
    reactor_.post_remote([this] {
      stopping_ = true;
      listener_->cancel(Error{.code = ErrorCode::draining});
    });
    thread_.join();
  }
  listener_.reset();
}

void AdminServer::run() {
  pthread_setname_np(pthread_self(), "admin");
  spawn(*this, accept_loop());
  while (!stopping_ || accepting_ || connections_ > 0) reactor_.turn();
}

Task<void> AdminServer::accept_loop() {
  while (true) {
    auto wait = co_await listener_->readable(kNever);
    if (wait != Wait::ready) break;
    auto taken = backend_.accept(listener_->handle());
    if (!taken) {
      listener_->nothing_to_read();  // also without descriptors: the next client makes an edge
      continue;
    }
    auto socket = std::make_unique<Socket>(reactor_, taken->handle);
    if (connections_ < kMaxConnections) spawn(*this, serve(std::move(socket)));
  }
  accepting_ = false;
}

Task<void> AdminServer::serve(std::unique_ptr<Socket> socket) {
  ++connections_;
  co_await serve_request(*socket);
  --connections_;
}

Task<void> AdminServer::serve_request(Socket& socket) {
  Buffer buffer = reactor_.buffers().take();
  http::HeadScanner scanner;
  std::size_t filled = 0;
  auto deadline = reactor_.now() + kRequestTime;
  auto status = http::HeadScanner::Status::incomplete;
  while (status == http::HeadScanner::Status::incomplete) {
    auto wait = co_await socket.readable(deadline);
    if (wait != Wait::ready) co_return;
    IoResult result = socket.try_receive({buffer.data() + filled, buffer.capacity() - filled});
    if (result.status == IoStatus::would_block) continue;
    if (result.status != IoStatus::ok) co_return;
    filled += result.bytes;
    status = scanner.scan({buffer.data(), filled});
    if (status == http::HeadScanner::Status::incomplete && filled == buffer.capacity()) co_return;
  }
  if (status == http::HeadScanner::Status::malformed) co_return;
  std::string text = answer({buffer.data(), scanner.head_bytes()});
  iovec part{text.data(), text.size()};
  co_await send_all(reactor_, socket, std::span(&part, 1), kRequestTime);
}

std::string AdminServer::answer(std::string_view head) {
  http::RequestHead request;
  if (!http::parse_request_head(head, {}, request)) return response(400, "text/plain", "bad request\n", false);
  bool to_head = request.method == "HEAD";
  if (!to_head && request.method != "GET") return response(405, "text/plain", "GET or HEAD\n", false);
  AdminPage page = page_(request.target.substr(0, request.target.find('?')));
  return response(page.status, page.content_type, page.body, to_head);
}

}  // namespace lotagate
