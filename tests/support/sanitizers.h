/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a test runs under AddressSanitizer, which holds freed memory for a while. */
#ifndef TEST_SANITIZERS_H
#define TEST_SANITIZERS_H

#if defined(__SANITIZE_ADDRESS__)
#define TEST_WITH_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define TEST_WITH_ASAN 1
#endif
#endif
#ifndef TEST_WITH_ASAN
#define TEST_WITH_ASAN 0
#endif

#endif
