/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads the reports of the RTP session twice a second on main, keeps the snapshot that others see,
 * and moves the encoder's bitrate within its limits.
 */
#include "media/scope-peer-private.h"

#include <string.h>

#include <gst/rtp/rtp.h>

#include "core/scope-log.h"

SCOPE_LOG_TOPIC(media, rate)

#define METER_US        (1000 * 1000)
#define REMB_VALID_US   (5 * 1000 * 1000)
#define DECREASE_GAP_US (800 * 1000)

/* Loss above the first lowers the rate, below the second raises it (RFC 8698's neighbourhood). */
#define LOSS_HIGH      0.10
#define LOSS_LOW       0.02
#define INCREASE_RATIO 0.04

/* What one pass over the RTP sources finds. */
typedef struct {
    double loss_out;
    gboolean has_loss_out;
    gint64 rtt_us;
    gint64 jitter_us;
    guint64 packets_in;
    gint64 lost_in;
} SourceReport;

/* GStreamer's RTCP thread: a REMB message is an application layer feedback with its name inside. */
static void
on_feedback(GObject *session, guint type, guint fbtype, guint sender_ssrc, guint media_ssrc,
            GstBuffer *fci, gpointer user_data)
{
    ScopePeer *peer = user_data;
    guint8 bytes[8];
    if (type != GST_RTCP_TYPE_PSFB || fbtype != GST_RTCP_PSFB_TYPE_AFB || fci == NULL ||
        gst_buffer_extract(fci, 0, bytes, sizeof(bytes)) != sizeof(bytes) ||
        memcmp(bytes, "REMB", 4) != 0) {
        return;
    }
    guint exponent = bytes[5] >> 2;
    guint64 mantissa = ((guint64)(bytes[5] & 3) << 16) | ((guint64)bytes[6] << 8) | bytes[7];
    guint64 bps = exponent < 32 ? mantissa << exponent : G_MAXUINT;
    SCOPE_LOCK_GUARD(&peer->stats_lock);
    peer->remb_bps = (guint)MIN(bps, G_MAXUINT);
    peer->remb_us = g_get_monotonic_time();
}

void
scope_peer_start_rtcp(ScopePeer *peer)
{
    if (peer->rtp_session != NULL) {
        return;
    }
    g_autoptr(GstElement) rtpbin = gst_bin_get_by_name(GST_BIN(peer->webrtc), "rtpbin");
    for (guint id = 0; rtpbin != NULL && id < peer->offer->n_media && !peer->rtp_session; id++) {
        g_signal_emit_by_name(rtpbin, "get-internal-session", id, &peer->rtp_session);
    }
    if (peer->rtp_session != NULL) {
        peer->rtcp_handler =
            g_signal_connect(peer->rtp_session, "on-feedback-rtcp", G_CALLBACK(on_feedback), peer);
    }
}

void
scope_peer_stop_rtcp(ScopePeer *peer)
{
    if (peer->rtp_session != NULL) {
        g_signal_handler_disconnect(peer->rtp_session, peer->rtcp_handler);
        g_clear_object(&peer->rtp_session);
    }
}

static void
read_source(const GstStructure *source, SourceReport *report)
{
    gboolean internal = FALSE, has_block = FALSE, valid = FALSE;
    guint fraction = 0, round_trip = 0, jitter = 0;
    gint clock_rate = 0, lost = 0;
    guint64 packets = 0;
    gst_structure_get(source, "internal", G_TYPE_BOOLEAN, &internal, NULL);
    gst_structure_get(source, "validated", G_TYPE_BOOLEAN, &valid, NULL);
    gst_structure_get(source, "have-rb", G_TYPE_BOOLEAN, &has_block, NULL);
    if (has_block && gst_structure_get(source, "rb-fractionlost", G_TYPE_UINT, &fraction,
                                       "rb-round-trip", G_TYPE_UINT, &round_trip, NULL)) {
        report->has_loss_out = TRUE;
        report->loss_out = MAX(report->loss_out, fraction / 256.0);
        report->rtt_us = (gint64)round_trip * G_USEC_PER_SEC / 65536;
    }
    if (!internal && valid &&
        gst_structure_get(source, "packets-received", G_TYPE_UINT64, &packets, "packets-lost",
                          G_TYPE_INT, &lost, "jitter", G_TYPE_UINT, &jitter, "clock-rate",
                          G_TYPE_INT, &clock_rate, NULL) &&
        packets > 0) {
        report->packets_in += packets;
        report->lost_in += MAX(lost, 0);
        if (clock_rate > 0) {
            report->jitter_us = (gint64)jitter * G_USEC_PER_SEC / clock_rate;
        }
    }
}

static void
read_sources(ScopePeer *peer, SourceReport *report)
{
    g_autoptr(GstStructure) stats = NULL;
    if (peer->rtp_session == NULL) {
        return;
    }
    g_object_get(peer->rtp_session, "stats", &stats, NULL);
    const GValue *value = stats ? gst_structure_get_value(stats, "source-stats") : NULL;
    G_GNUC_BEGIN_IGNORE_DEPRECATIONS
    GValueArray *sources = value ? g_value_get_boxed(value) : NULL;
    for (guint i = 0; sources != NULL && i < sources->n_values; i++) {
        read_source(g_value_get_boxed(g_value_array_get_nth(sources, i)), report);
    }
    G_GNUC_END_IGNORE_DEPRECATIONS
}

static void
meter_update(ScopePeerMeter *meter, guint64 bytes, gint64 now_us)
{
    if (meter->since_us == 0) {
        meter->since_us = now_us;
        meter->bytes = bytes;
    } else if (now_us - meter->since_us >= METER_US) {
        meter->bps = (guint)((bytes - meter->bytes) * 8 * G_USEC_PER_SEC /
                             (guint64)(now_us - meter->since_us));
        meter->since_us = now_us;
        meter->bytes = bytes;
    }
}

/* The encoder follows what the client says it can take, and backs off when packets get lost. */
static void
adapt_bitrate(ScopePeer *peer, const SourceReport *report, guint remb_bps, gint64 now_us)
{
    double bps = peer->target_bps;
    if (report->has_loss_out && report->loss_out > LOSS_HIGH &&
        now_us - peer->last_decrease_us > DECREASE_GAP_US) {
        bps *= 1.0 - 0.5 * report->loss_out;
        peer->last_decrease_us = now_us;
    } else if (remb_bps > 0) {
        bps = remb_bps;
    } else if (report->has_loss_out && report->loss_out < LOSS_LOW &&
               bps < peer->options.start_bitrate_bps) {
        bps += bps * INCREASE_RATIO;
    }
    guint target = (guint)CLAMP(bps, (double)peer->options.min_bitrate_bps,
                                (double)peer->options.max_bitrate_bps);
    if (target == peer->target_bps) {
        return;
    }
    scope_log_debug("peer %s: target %u kbit/s (loss %.3f, REMB %u kbit/s)", peer->label,
                    target / 1000, report->loss_out, remb_bps / 1000);
    peer->target_bps = target;
    for (guint i = 0; i < peer->offer->n_outputs; i++) {
        scope_video_sender_set_bitrate(peer->senders[i], target);
    }
}

static void
sum_tracks(ScopePeer *peer, ScopePeerStats *stats)
{
    for (guint i = 0; i < peer->offer->n_outputs; i++) {
        ScopeVideoSenderStats sender;
        scope_video_sender_get_stats(peer->senders[i], &sender);
        stats->frames_out += sender.frames_out;
        stats->frames_dropped += sender.frames_dropped;
        stats->keyframes_requested += sender.keyframes_requested;
        stats->bytes_out += sender.bytes_out;
        stats->encode_us = MAX(stats->encode_us, sender.encode_us);
    }
    for (guint i = 0; i < peer->offer->n_inputs; i++) {
        guint64 frames, bytes;
        scope_video_receiver_get_counts(peer->receivers[i], &frames, &bytes);
        stats->frames_in += frames;
        stats->bytes_in += bytes;
    }
}

void
scope_peer_update_stats(ScopePeer *peer)
{
    if (!__atomic_load_n(&peer->tracks_ready, __ATOMIC_ACQUIRE)) {
        return;
    }
    gint64 now_us = g_get_monotonic_time();
    SourceReport report = {0};
    ScopePeerStats stats = {.state = peer->state,
                            .n_inputs = peer->offer->n_inputs,
                            .n_outputs = peer->offer->n_outputs};
    read_sources(peer, &report);
    sum_tracks(peer, &stats);
    for (guint i = 0; i < peer->offer->n_media && stats.codec == SCOPE_VIDEO_CODEC_NONE; i++) {
        stats.codec = peer->offer->media[i].codec;
    }
    meter_update(&peer->meter_in, stats.bytes_in, now_us);
    meter_update(&peer->meter_out, stats.bytes_out, now_us);
    stats.bitrate_in_bps = peer->meter_in.bps;
    stats.bitrate_out_bps = peer->meter_out.bps;
    stats.rtt_us = report.rtt_us;
    stats.jitter_us = report.jitter_us;
    stats.loss_out_ratio = report.loss_out;
    guint64 expected = report.packets_in + (guint64)report.lost_in;
    stats.loss_in_ratio = expected > 0 ? (double)report.lost_in / (double)expected : 0.0;
    guint remb_bps;
    {
        SCOPE_LOCK_GUARD(&peer->stats_lock);
        remb_bps = now_us - peer->remb_us < REMB_VALID_US ? peer->remb_bps : 0;
    }
    if (peer->state == SCOPE_PEER_STATE_CONNECTED) {
        adapt_bitrate(peer, &report, remb_bps, now_us);
    }
    stats.target_bitrate_bps = peer->target_bps * peer->offer->n_outputs;
    SCOPE_LOCK_GUARD(&peer->stats_lock);
    peer->stats = stats;
}

void
scope_peer_get_stats(ScopePeer *peer, ScopePeerStats *ret_stats)
{
    SCOPE_LOCK_GUARD(&peer->stats_lock);
    *ret_stats = peer->stats;
}
