#include "jose/openssl_handles.h"

#include <openssl/err.h>

namespace lotagate::jose {

ErrorQueueGuard::ErrorQueueGuard() { ERR_set_mark(); }

ErrorQueueGuard::~ErrorQueueGuard() { ERR_pop_to_mark(); }

}  // namespace lotagate::jose
