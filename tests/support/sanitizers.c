/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What AddressSanitizer has to know about the libraries that tests stand on. Linked into every test
 * that starts GStreamer or libsoup.
 */
#include "sanitizers.h"

#if TEST_WITH_ASAN
const char *__asan_default_options(void);
const char *__lsan_default_suppressions(void);

/*
 * GLib's table of quarks is reallocated beyond 2048 of them, and the old one is given up on
 * purpose. Only a full stack tells that allocation, made when the library was initialised or a
 * quark was added, apart.
 */
__attribute__((visibility("default"))) const char *
__asan_default_options(void)
{
    return "fast_unwind_on_malloc=0";
}

__attribute__((visibility("default"))) const char *
__lsan_default_suppressions(void)
{
    /* The last: libsoup 3.2 loses the path of a request whose body encoding it does not know. */
    return "leak:_dl_init\n"
           "leak:g_quark_from\n"
           "leak:g_intern\n"
           "leak:soup_headers_parse_request\n";
}
#else
typedef int sanitizers_are_off;
#endif
