#include "base/error.h"

#include <array>

namespace lotagate {
namespace {

constexpr std::array<ErrorInfo, kErrorCodeCount> kTable{{
    {"bad_request", 400, false, "The request is malformed."},
    {"ambiguous_path", 400, false, "The request path can be read in more than one way."},
    {"missing_token", 401, false, "This route needs a bearer token."},
    {"invalid_token", 401, false, "The token or API key is not valid."},
    {"expired_token", 401, false, "The bearer token has expired."},
    {"forbidden", 403, false, "The caller may not do this."},
    {"route_not_found", 404, false, "No route matches this path."},
    {"method_not_allowed", 405, false, "This path does not take this method."},
    {"request_timeout", 408, true, "The request did not arrive in time."},
    {"body_too_large", 413, false, "The request body is larger than this route accepts."},
    {"uri_too_long", 414, false, "The request target is too long."},
    {"expectation_failed", 417, false, "The Expect field asks for something other than 100-continue."},
    {"headers_too_large", 431, false, "The request header section is too large."},
    {"rate_limited", 429, true, "Too many requests; try again later."},
    {"concurrency_limited", 429, true, "Too many requests are under way; try again when some have ended."},
    {"not_implemented", 501, false, "The request uses a feature that is not supported."},
    {"version_not_supported", 505, false, "This HTTP version is not supported."},
    {"loop_detected", 508, false, "The request has passed this gateway before."},
    {"keys_unavailable", 503, true, "The keys that verify tokens are not available."},
    {"authorization_unavailable", 503, true, "Permissions cannot be checked at the moment."},
    {"limits_unavailable", 503, true, "The request cannot be counted at the moment."},
    {"upstream_unreachable", 502, true, "The service cannot be reached."},
    {"upstream_reset", 502, true, "The service closed the connection before it answered."},
    {"upstream_timeout", 504, true, "The service did not answer in time."},
    {"upstream_invalid", 502, false, "The service's answer is not valid HTTP."},
    {"upstream_error", 502, false, "The service reported an error."},
    {"overloaded", 503, true, "The gateway is at its limit."},
    {"draining", 503, true, "The gateway is shutting down."},
    {"internal", 500, false, "The gateway failed to handle the request."},
    {"client_closed", 499, false, "The client closed the connection."},
}};

}  // namespace

const ErrorInfo& error_info(ErrorCode code) noexcept { return kTable[static_cast<std::size_t>(code)]; }

std::uint16_t error_status(const Error& error) noexcept {
  return error.status != 0 ? error.status : error_info(error.code).status;
}

std::string_view status_title(std::uint16_t status) noexcept {
  switch (status) {
    case 100: return "Continue";
    case 101: return "Switching Protocols";
    case 200: return "OK";
    case 201: return "Created";
    case 202: return "Accepted";
    case 203: return "Non-Authoritative Information";
    case 204: return "No Content";
    case 205: return "Reset Content";
    case 206: return "Partial Content";
    case 300: return "Multiple Choices";
    case 301: return "Moved Permanently";
    case 302: return "Found";
    case 303: return "See Other";
    case 304: return "Not Modified";
    case 307: return "Temporary Redirect";
    case 308: return "Permanent Redirect";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 402: return "Payment Required";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 406: return "Not Acceptable";
    case 407: return "Proxy Authentication Required";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 410: return "Gone";
    case 411: return "Length Required";
    case 412: return "Precondition Failed";
    case 413: return "Content Too Large";
    case 414: return "URI Too Long";
    case 415: return "Unsupported Media Type";
    case 416: return "Range Not Satisfiable";
    case 417: return "Expectation Failed";
    case 421: return "Misdirected Request";
    case 422: return "Unprocessable Content";
    case 423: return "Locked";
    case 424: return "Failed Dependency";
    case 425: return "Too Early";
    case 426: return "Upgrade Required";
    case 428: return "Precondition Required";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 451: return "Unavailable For Legal Reasons";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 502: return "Bad Gateway";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    case 505: return "HTTP Version Not Supported";
    case 507: return "Insufficient Storage";
    case 508: return "Loop Detected";
    default: return "Unknown";
  }
}

}  // namespace lotagate
