/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starts GStreamer once and tells by name which element is missing, with the Debian package that
 * holds it. Main thread.
 */
#include "media/scope-media.h"

#include <gst/gst.h>

#include "core/scope-thread.h"

G_DEFINE_QUARK(scope_media_error, scope_media_error)

static const struct {
    const char *element;
    const char *package;
} needed_elements[] = {
    {"webrtcbin", "gstreamer1.0-plugins-bad"},   {"nicesrc", "gstreamer1.0-nice"},
    {"dtlssrtpenc", "gstreamer1.0-plugins-bad"}, {"dtlsdec", "gstreamer1.0-plugins-bad"},
    {"srtpenc", "gstreamer1.0-plugins-bad"},     {"sctpenc", "gstreamer1.0-plugins-bad"},
    {"rtpbin", "gstreamer1.0-plugins-good"},     {"rtpvp8pay", "gstreamer1.0-plugins-good"},
    {"vp8enc", "gstreamer1.0-plugins-good"},     {"vp8dec", "gstreamer1.0-plugins-good"},
    {"appsrc", "gstreamer1.0-plugins-base"},     {"appsink", "gstreamer1.0-plugins-base"},
};

/* Makes the key of the process; joined by scope_media_shut_down(). Main thread only. */
static ScopeThread *key_thread;

/* Helper thread: the key of the process for DTLS is made on first use, which takes up to some
 * hundred milliseconds that the first session would wait for. */
static void
make_key(gpointer data)
{
    g_autoptr(GstElement) element = gst_element_factory_make("dtlsdec", NULL);
    g_autofree char *pem = NULL;
    if (element != NULL) {
        gst_object_ref_sink(element);
        g_object_get(element, "pem", &pem, NULL);
    }
}

static void
make_key_once(void)
{
    static gboolean is_started = FALSE;
    if (!is_started) {
        is_started = TRUE;
        key_thread = scope_thread_start("dtls-key", make_key, NULL, NULL);
    }
}

void
scope_media_shut_down(void)
{
    scope_thread_join(&key_thread);
}

gboolean
scope_media_init(GError **error)
{
    g_autoptr(GError) local = NULL;
    if (!gst_init_check(NULL, NULL, &local)) {
        g_set_error(error, SCOPE_MEDIA_ERROR, SCOPE_MEDIA_ERROR_FAILED,
                    "starting GStreamer failed: %s", local ? local->message : "no reason given");
        return FALSE;
    }
    for (guint i = 0; i < G_N_ELEMENTS(needed_elements); i++) {
        g_autoptr(GstElementFactory) factory = gst_element_factory_find(needed_elements[i].element);
        if (factory == NULL) {
            g_set_error(error, SCOPE_MEDIA_ERROR, SCOPE_MEDIA_ERROR_MISSING_ELEMENT,
                        "GStreamer has no element %s; install the package %s",
                        needed_elements[i].element, needed_elements[i].package);
            return FALSE;
        }
    }
    make_key_once();
    return TRUE;
}
