/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The data channel that the client opens: text both ways. GStreamer's threads only hand over; the
 * queue and the channel in use belong to main.
 */
#include "media/scope-peer-private.h"

#include <string.h>

#include "core/scope-log.h"
#include "media/scope-media.h"

SCOPE_LOG_TOPIC(media, channel)

/* A client that sends faster than main reads loses what is above this. */
#define MAX_UNREAD_MESSAGES 512

/* More than this waiting in SCTP means that the client does not read. */
#define MAX_BUFFERED_BYTES (4u * 1024 * 1024)

static void
send_now(ScopePeer *peer, const char *text)
{
    g_signal_emit_by_name(peer->channel, "send-string", text);
}

static gboolean
is_open(ScopePeer *peer)
{
    GstWebRTCDataChannelState state = GST_WEBRTC_DATA_CHANNEL_STATE_CLOSED;
    if (peer->channel != NULL) {
        g_object_get(peer->channel, "ready-state", &state, NULL);
    }
    return state == GST_WEBRTC_DATA_CHANNEL_STATE_OPEN;
}

static void
flush_texts(ScopePeer *peer)
{
    char *text;
    while (is_open(peer) && (text = g_queue_pop_head(&peer->texts)) != NULL) {
        send_now(peer, text);
        g_free(text);
    }
}

/* -- On main -------------------------------------------------------------------------------------
 */

static void
handle_open(ScopePeer *peer, gpointer channel)
{
    if (peer->closing || peer->channel == channel) {
        return;
    }
    scope_log_debug("peer %s: data channel open", peer->label);
    g_set_object(&peer->channel, channel);
    flush_texts(peer);
    if (peer->callbacks.channel_opened != NULL) {
        peer->callbacks.channel_opened(peer, peer->user_data);
    }
}

static void
handle_close(ScopePeer *peer, gpointer channel)
{
    if (peer->channel == channel) {
        scope_log_debug("peer %s: data channel closed", peer->label);
        g_clear_object(&peer->channel);
    }
}

static void
handle_message(ScopePeer *peer, gpointer data)
{
    GBytes *text = data;
    __atomic_sub_fetch(&peer->n_unread, 1, __ATOMIC_RELAXED);
    if (!peer->closing && peer->callbacks.message != NULL) {
        gsize n_bytes;
        const char *bytes = g_bytes_get_data(text, &n_bytes);
        peer->callbacks.message(peer, bytes, n_bytes - 1, peer->user_data);
    }
}

/* -- On GStreamer's threads
 * -------------------------------------------------------------------------- */

static void
on_open(GObject *channel, gpointer user_data)
{
    scope_peer_post(user_data, handle_open, g_object_ref(channel), g_object_unref);
}

static void
on_close(GObject *channel, gpointer user_data)
{
    scope_peer_post(user_data, handle_close, g_object_ref(channel), g_object_unref);
}

static void
on_message(GObject *channel, const char *text, gpointer user_data)
{
    ScopePeer *peer = user_data;
    gsize n_bytes = text ? strlen(text) : 0;
    if (text == NULL || n_bytes > SCOPE_PEER_MAX_MESSAGE_BYTES ||
        !g_utf8_validate(text, (gssize)n_bytes, NULL)) {
        scope_log_warning("peer %s: a message of %" G_GSIZE_FORMAT
                          " bytes was ignored: at most %d bytes of UTF-8 are accepted",
                          peer->label, n_bytes, SCOPE_PEER_MAX_MESSAGE_BYTES);
        return;
    }
    if (__atomic_add_fetch(&peer->n_unread, 1, __ATOMIC_RELAXED) > MAX_UNREAD_MESSAGES) {
        __atomic_sub_fetch(&peer->n_unread, 1, __ATOMIC_RELAXED);
        scope_log_warning("peer %s: a message was dropped: more than %d are unread", peer->label,
                          MAX_UNREAD_MESSAGES);
        return;
    }
    scope_peer_post(peer, handle_message, g_bytes_new(text, n_bytes + 1),
                    (GDestroyNotify)g_bytes_unref);
}

static void
release_closure(gpointer data, GClosure *closure)
{
    scope_peer_release(data);
}

/* The channel may outlive webrtcbin for a moment, so its handlers keep the peer's memory. */
static void
connect_held(GObject *channel, const char *signal, GCallback handler, ScopePeer *peer)
{
    g_signal_connect_data(channel, signal, handler, scope_peer_hold(peer), release_closure, 0);
}

void
scope_peer_on_data_channel(GstElement *webrtc, GObject *channel, gpointer user_data)
{
    GstWebRTCDataChannelState state;
    connect_held(channel, "on-message-string", G_CALLBACK(on_message), user_data);
    connect_held(channel, "on-close", G_CALLBACK(on_close), user_data);
    connect_held(channel, "on-open", G_CALLBACK(on_open), user_data);
    g_object_get(channel, "ready-state", &state, NULL);
    if (state == GST_WEBRTC_DATA_CHANNEL_STATE_OPEN) {
        on_open(channel, user_data);
    }
}

/* -- API
 * ---------------------------------------------------------------------------------------------- */

void
scope_peer_close_channel(ScopePeer *peer)
{
    g_clear_object(&peer->channel);
    g_queue_clear_full(&peer->texts, g_free);
}

gboolean
scope_peer_send_text(ScopePeer *peer, const char *text, GError **error)
{
    gsize n_bytes = strlen(text);
    if (peer->closing || peer->state == SCOPE_PEER_STATE_FAILED ||
        peer->state == SCOPE_PEER_STATE_CLOSED) {
        g_set_error(error, SCOPE_MEDIA_ERROR, SCOPE_MEDIA_ERROR_CLOSED, "the peer is closed");
        return FALSE;
    }
    guint64 n_buffered = 0;
    gboolean open = is_open(peer);
    if (open) {
        g_object_get(peer->channel, "buffered-amount", &n_buffered, NULL);
    }
    if (n_bytes > SCOPE_PEER_MAX_MESSAGE_BYTES || n_buffered > MAX_BUFFERED_BYTES ||
        (!open && peer->texts.length >= SCOPE_PEER_MAX_QUEUED_MESSAGES)) {
        g_set_error(error, SCOPE_MEDIA_ERROR, SCOPE_MEDIA_ERROR_LIMIT,
                    "a text of %" G_GSIZE_FORMAT " bytes cannot be sent: at most %d bytes, %d "
                    "texts before the channel opens, and %u bytes that the client has not read",
                    n_bytes, SCOPE_PEER_MAX_MESSAGE_BYTES, SCOPE_PEER_MAX_QUEUED_MESSAGES,
                    MAX_BUFFERED_BYTES);
        return FALSE;
    }
    if (open) {
        flush_texts(peer);
        send_now(peer, text);
    } else {
        g_queue_push_tail(&peer->texts, g_strdup(text));
    }
    return TRUE;
}
