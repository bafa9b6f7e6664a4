#include "users/news.h"

#include <string>
#include <vector>

namespace lotagate::users {
namespace {

// Beyond this, asking about everybody again costs the gateways less than the service pays for naming each.
constexpr std::size_t kMaxNamed = 500;

void tell(Call& call, services::Rows rows) {
  std::vector<std::string> accounts;
  while (accounts.size() <= kMaxNamed && rows.next()) accounts.push_back(rows.text(0));
  if (accounts.size() > kMaxNamed) {
    call.changes.append_all(call.transaction);
    return;
  }
  for (const std::string& account : accounts) call.changes.append(call.transaction, account);
}

}  // namespace

void tell_members(Call& call, std::string_view tenant) {
  tell(call, call.transaction.query("SELECT id FROM accounts WHERE tenant = ? LIMIT 501", {tenant}));
}

void tell_holders(Call& call, std::string_view role) {
  tell(call, call.transaction.query("SELECT account FROM account_roles WHERE role = ? LIMIT 501", {role}));
}

}  // namespace lotagate::users
