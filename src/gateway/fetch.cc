#include "gateway/fetch.h"

#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string_view>

#include "base/check.h"
#include "base/text.h"

namespace lotagate {
namespace {

// A connection is either made soon or not at all; matters for long polls, whose own time-out is long.
constexpr milliseconds kConnectTimeout{3000};
constexpr std::size_t kMaxHeadBytes = 32UZ * 1024;
constexpr std::size_t kMaxEtagBytes = 256;
constexpr std::size_t kMaxErrorText = 200;
constexpr std::uint64_t kMaxAgeSeconds = 365ull * 24 * 3600;  // keeps later arithmetic far from overflow

// curl repeats what the peer sent (a certificate's names): keep it on one line.
std::string printable(std::string_view text) {
  std::string clean(text.substr(0, kMaxErrorText));
  std::replace_if(clean.begin(), clean.end(), [](char c) { return c < 0x20 || c > 0x7e; }, '?');
  return clean;
}

bool fits_header(std::string_view value) {
  return std::all_of(value.begin(), value.end(), [](char c) { return c >= 0x20 && c <= 0x7e; });
}

bool is_http_url(std::string_view url) {
  return iequals(url.substr(0, 7), "http://") || iequals(url.substr(0, 8), "https://");
}

// What cannot be asked for at all; empty when nothing is wrong.
std::string_view refusal_of(const FetchOptions& options) {
  if (!is_http_url(options.url)) return "not an http or https URL";
  if (!fits_header(options.bearer_token)) return "the bearer token does not fit a header field";
  if (!fits_header(options.if_none_match)) return "the entity tag does not fit a header field";
  return {};
}

void read_cache_directive(std::string_view directive, std::optional<seconds>& max_age) {
  constexpr std::string_view kMaxAge = "max-age=";
  if (iequals(directive, "no-store") || iequals(directive, "no-cache")) max_age = seconds(0);
  if (max_age == seconds(0) || !iequals(directive.substr(0, kMaxAge.size()), kMaxAge)) return;
  auto value = parse_decimal(directive.substr(kMaxAge.size()));
  if (value) max_age = seconds(std::min(*value, kMaxAgeSeconds));
}

struct FreeEasy {
  void operator()(CURL* easy) const noexcept { curl_easy_cleanup(easy); }
};
struct FreeList {
  void operator()(curl_slist* list) const noexcept { curl_slist_free_all(list); }
};

// One request under way. curl holds pointers into it, so it stays put until it has left the multi handle.
class Transfer {
 public:
  explicit Transfer(const FetchOptions& options)
      : options_(options), refusal_(refusal_of(options)), easy_(curl_easy_init()) {
    LG_CHECK(easy_ != nullptr, "curl_easy_init: out of memory");
    set_target();
    set_fields();
    set_bounds();
  }
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;

  CURL* easy() const { return easy_.get(); }
  bool refused() const { return !refusal_.empty(); }
  void finish(CURLcode code) { code_ = code; }

  std::expected<FetchAnswer, FetchError> take_result() {
    if (refused()) return fail(FetchFailure::no_answer, std::string(refusal_));
    if (too_large_) return fail(FetchFailure::too_large, fmt::format("more than {} bytes", options_.max_bytes));
    if (!code_) return fail(FetchFailure::aborted, "stopped");
    if (*code_ != CURLE_OK) return fail(FetchFailure::no_answer, describe(*code_));
    FetchAnswer answer;
    curl_easy_getinfo(easy(), CURLINFO_RESPONSE_CODE, &answer.status);
    if (answer.status >= 300 && answer.status < 400 && answer.status != 304) {
      return fail(FetchFailure::no_answer, fmt::format("a redirect (status {}), which is not followed", answer.status));
    }
    answer.body = std::move(body_);
    read_fields(answer);
    return answer;
  }

 private:
  template <typename Value>
  void set(CURLoption option, Value value) {
    LG_CHECK(curl_easy_setopt(easy(), option, value) == CURLE_OK, "curl lacks an option");
  }

  void set_target() {
    set(CURLOPT_URL, options_.url.c_str());
    set(CURLOPT_PROTOCOLS_STR, "http,https");
    set(CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
    set(CURLOPT_FOLLOWLOCATION, 0L);
    set(CURLOPT_PROXY, "");  // an empty name turns the environment's proxies off
    set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
    set(CURLOPT_SSL_VERIFYPEER, 1L);
    set(CURLOPT_SSL_VERIFYHOST, 2L);
    set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  }

  void set_fields() {
    set(CURLOPT_USERAGENT, "lotagate");
    add_field("Accept: application/json");
    if (!options_.bearer_token.empty()) add_field("Authorization: Bearer " + options_.bearer_token);
    if (!options_.if_none_match.empty()) add_field("If-None-Match: " + options_.if_none_match);
    set(CURLOPT_HTTPHEADER, fields_.get());
  }

  void set_bounds() {
    set(CURLOPT_NOSIGNAL, 1L);
    set(CURLOPT_QUICK_EXIT, 1L);  // a hanging name look-up is left behind, not waited for
    set(CURLOPT_TIMEOUT_MS, static_cast<long>(options_.timeout.count()));
    set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(std::min(options_.timeout, kConnectTimeout).count()));
    set(CURLOPT_ERRORBUFFER, error_.data());
    set(CURLOPT_PRIVATE, this);
    set(CURLOPT_WRITEFUNCTION, &Transfer::on_body);
    set(CURLOPT_WRITEDATA, this);
    set(CURLOPT_HEADERFUNCTION, &Transfer::on_head);
    set(CURLOPT_HEADERDATA, this);
  }

  void add_field(const std::string& line) {
    curl_slist* longer = curl_slist_append(fields_.get(), line.c_str());
    LG_CHECK(longer != nullptr, "curl_slist_append: out of memory");
    if (!fields_) fields_.reset(longer);  // afterwards the head stays the same
  }

  static std::size_t on_body(const char* data, std::size_t, std::size_t size, void* self) noexcept {
    auto& transfer = *static_cast<Transfer*>(self);
    transfer.too_large_ = size > transfer.options_.max_bytes - transfer.body_.size();
    if (transfer.too_large_) return 0;
    transfer.body_.append(data, size);
    return size;
  }

  static std::size_t on_head(const char*, std::size_t, std::size_t size, void* self) noexcept {
    auto& transfer = *static_cast<Transfer*>(self);
    transfer.head_bytes_ += size;
    transfer.head_too_large_ = transfer.head_bytes_ > kMaxHeadBytes;
    return transfer.head_too_large_ ? 0 : size;
  }

  static std::unexpected<FetchError> fail(FetchFailure failure, std::string text) {
    return std::unexpected(FetchError{failure, std::move(text)});
  }

  std::string describe(CURLcode code) const {
    if (head_too_large_) return "the answer's head is too large";
    if (code == CURLE_OPERATION_TIMEDOUT) return fmt::format("no answer within {} ms", options_.timeout.count());
    return printable(error_[0] != '\0' ? error_.data() : curl_easy_strerror(code));
  }

  void read_fields(FetchAnswer& answer) const {
    curl_header* field = nullptr;
    if (curl_easy_header(easy(), "ETag", 0, CURLH_HEADER, -1, &field) == CURLHE_OK) {
      std::string_view etag = field->value;
      if (etag.size() <= kMaxEtagBytes && fits_header(etag)) answer.etag = etag;
    }
    for (std::size_t i = 0; curl_easy_header(easy(), "Cache-Control", i, CURLH_HEADER, -1, &field) == CURLHE_OK; ++i) {
      for_each_list_item(field->value, [&](std::string_view item) { read_cache_directive(item, answer.max_age); });
    }
    // Caches on the way have used up part of it (RFC 9111 4.2). Two Age fields, or one that is no number, say nothing.
    if (!answer.max_age || curl_easy_header(easy(), "Age", 0, CURLH_HEADER, -1, &field) != CURLHE_OK) return;
    auto age = parse_decimal(field->value);
    if (field->amount != 1 || !age) return;
    answer.max_age = std::max(seconds(0), *answer.max_age - seconds(std::min(*age, kMaxAgeSeconds)));
  }

  const FetchOptions& options_;
  std::string_view refusal_;
  std::unique_ptr<curl_slist, FreeList> fields_;
  std::unique_ptr<CURL, FreeEasy> easy_;  // freed before fields_, which it refers to
  std::array<char, CURL_ERROR_SIZE> error_{};
  std::string body_;
  std::size_t head_bytes_ = 0;
  bool too_large_ = false;
  bool head_too_large_ = false;
  std::optional<CURLcode> code_;  // nothing while it runs
};

// Notes which transfers have ended.
void collect(CURLM* multi) {
  int queued = 0;
  while (CURLMsg* message = curl_multi_info_read(multi, &queued)) {
    if (message->msg != CURLMSG_DONE) continue;
    Transfer* transfer = nullptr;
    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &transfer);
    transfer->finish(message->data.result);
  }
}

void run(CURLM* multi, const std::atomic<bool>& aborted) {
  constexpr int kPollMs = 60'000;  // curl wakes earlier for its own timers, and abort() wakes it
  int running = 1;
  while (!aborted.load(std::memory_order_acquire)) {
    LG_CHECK(curl_multi_perform(multi, &running) == CURLM_OK, "curl_multi_perform");
    collect(multi);
    if (running == 0) return;
    LG_CHECK(curl_multi_poll(multi, nullptr, 0, kPollMs, nullptr) == CURLM_OK, "curl_multi_poll");
  }
}

}  // namespace

Fetcher::Fetcher() {
  // Counted by curl and safe from any thread since 7.84; what it allocates belongs to the process.
  LG_CHECK(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK, "curl_global_init");
  multi_ = curl_multi_init();
  LG_CHECK(multi_ != nullptr, "curl_multi_init: out of memory");
}

Fetcher::~Fetcher() { curl_multi_cleanup(multi_); }

std::expected<FetchAnswer, FetchError> Fetcher::get(const FetchOptions& options) {
  auto results = get_all({&options, 1});
  return std::move(results.front());
}

std::vector<std::expected<FetchAnswer, FetchError>> Fetcher::get_all(std::span<const FetchOptions> requests) {
  std::vector<std::unique_ptr<Transfer>> transfers;
  for (const auto& options : requests) {
    auto& transfer = *transfers.emplace_back(std::make_unique<Transfer>(options));
    if (!transfer.refused()) {
      LG_CHECK(curl_multi_add_handle(multi_, transfer.easy()) == CURLM_OK, "curl_multi_add_handle");
    }
  }
  run(multi_, aborted_);
  std::vector<std::expected<FetchAnswer, FetchError>> results;
  for (const auto& transfer : transfers) {
    if (!transfer->refused()) curl_multi_remove_handle(multi_, transfer->easy());
    results.push_back(transfer->take_result());
  }
  return results;
}

void Fetcher::abort() {
  aborted_.store(true, std::memory_order_release);
  curl_multi_wakeup(multi_);
}

}  // namespace lotagate
