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

/* Does what the first session would wait for; joined by scope_media_shut_down(). Main thread only.
 */
static ScopeThread *warm_up_thread;

/* Helper thread: reads the libraries of the elements, and makes the key of the process for DTLS,
 * which is otherwise made on first use; together up to some hundred milliseconds. */
static void
warm_up(gpointer data)
{
    g_autoptr(GstElement) element = gst_element_factory_make("dtlsdec", NULL);
    g_autofree char *pem = NULL;
    if (element != NULL) {
        gst_object_ref_sink(element);
        g_object_get(element, "pem", &pem, NULL);
    }
    for (guint i = 0; i < G_N_ELEMENTS(needed_elements); i++) {
        g_autoptr(GstElementFactory) factory = gst_element_factory_find(needed_elements[i].element);
        GstPluginFeature *loaded =
            factory != NULL ? gst_plugin_feature_load(GST_PLUGIN_FEATURE(factory)) : NULL;
        gst_clear_object(&loaded);
    }
}

static void
warm_up_once(void)
{
    static gboolean is_started = FALSE;
    if (!is_started) {
        is_started = TRUE;
        warm_up_thread = scope_thread_start("media-warm-up", warm_up, NULL, NULL);
    }
}

void
scope_media_shut_down(void)
{
    scope_thread_join(&warm_up_thread);
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
    warm_up_once();
    return TRUE;
}
