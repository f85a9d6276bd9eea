/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an offer means to this server. Everything that reaches webrtcbin is written here anew from
 * values that were checked one by one; unknown attributes are left out. Pure functions.
 */
#include "media/scope-sdp.h"

#include <gio/gio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "media/scope-candidate.h"
#include "media/scope-colour.h"
#include "media/scope-media.h"
#include "media/scope-sdp-text.h"

#define BASELINE      "42000a" /* what RFC 6184 says when the profile is not told */
#define MAX_SSRC      32
#define MAX_EXTMAP_ID 14

#define ICE_CHARS   G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "+/"
#define TOKEN_CHARS G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "!#$%&'*+-.^_`{|}~"

/* The transport attributes of an m-line; all point into the parsed text. */
typedef struct {
    const char *ufrag;
    const char *pwd;
    const char *fingerprint;
    const char *setup;
} Transport;

static gboolean fail(GError **error, ScopeMediaError code, guint index, const char *format, ...)
    G_GNUC_PRINTF(4, 5);

static gboolean
fail(GError **error, ScopeMediaError code, guint index, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    g_set_error(error, SCOPE_MEDIA_ERROR, (int)code, "SDP m-line %u: %s", index, text);
    return FALSE;
}

static gboolean
is_made_of(const char *text, const char *chars, gsize min, gsize max)
{
    gsize n = text ? strspn(text, chars) : 0;
    return text != NULL && text[n] == '\0' && n >= min && n <= max;
}

static gboolean
is_fingerprint(const char *text)
{
    static const struct {
        const char *name;
        gsize n_bytes;
    } hashes[] = {
        {"sha-1 ", 20}, {"sha-224 ", 28}, {"sha-256 ", 32}, {"sha-384 ", 48}, {"sha-512 ", 64}};
    for (guint i = 0; text != NULL && i < G_N_ELEMENTS(hashes); i++) {
        gsize n_name = strlen(hashes[i].name);
        if (g_ascii_strncasecmp(text, hashes[i].name, n_name) == 0) {
            return is_made_of(text + n_name, "0123456789abcdefABCDEF:", hashes[i].n_bytes * 3 - 1,
                              hashes[i].n_bytes * 3 - 1);
        }
    }
    return FALSE;
}

static void
inherit(const char **field, const ScopeSdpSection *own, const ScopeSdpSection *session,
        const char *bundle, const char *key)
{
    const char *value = scope_sdp_section_find(own, key, 0);
    if (value == NULL) {
        value = scope_sdp_section_find(session, key, 0);
    }
    *field = value ? value : bundle;
}

static gboolean
read_transport(const ScopeSdpSection *own, const ScopeSdpSection *session, const Transport *bundle,
               guint index, Transport *ret, GError **error)
{
    Transport t;
    inherit(&t.ufrag, own, session, bundle->ufrag, "ice-ufrag");
    inherit(&t.pwd, own, session, bundle->pwd, "ice-pwd");
    inherit(&t.fingerprint, own, session, bundle->fingerprint, "fingerprint");
    inherit(&t.setup, own, session, bundle->setup, "setup");
    if (!is_made_of(t.ufrag, ICE_CHARS "-_=", 4, 256)) {
        return fail(error, SCOPE_MEDIA_ERROR_SDP, index,
                    "ice-ufrag is %s, but 4 to 256 letters, digits, + or / are needed",
                    t.ufrag ? "malformed" : "missing");
    }
    if (!is_made_of(t.pwd, ICE_CHARS "-_=", 22, 256)) {
        return fail(error, SCOPE_MEDIA_ERROR_SDP, index,
                    "ice-pwd is %s, but 22 to 256 letters, digits, + or / are needed",
                    t.pwd ? "malformed" : "missing");
    }
    if (!is_fingerprint(t.fingerprint)) {
        return fail(error, SCOPE_MEDIA_ERROR_SDP, index,
                    "fingerprint is %s, but \"sha-256\" and 32 bytes in hexadecimal are needed",
                    t.fingerprint ? "malformed" : "missing");
    }
    if (g_strcmp0(t.setup, "actpass") != 0 && g_strcmp0(t.setup, "passive") != 0 &&
        g_strcmp0(t.setup, "active") != 0) {
        return fail(error, SCOPE_MEDIA_ERROR_SDP, index,
                    "setup is %s, but an offer needs \"actpass\"",
                    t.setup ? "malformed" : "missing");
    }
    *ret = t;
    return TRUE;
}

static gboolean
read_kind(const ScopeSdpSection *section, guint index, ScopeSdpKind *ret, GError **error)
{
    gboolean rtp = g_str_has_suffix(section->proto, "RTP/SAVPF");
    if (g_str_equal(section->media, "video") && rtp) {
        *ret = SCOPE_SDP_KIND_VIDEO;
    } else if (g_str_equal(section->media, "audio") && rtp) {
        *ret = SCOPE_SDP_KIND_AUDIO;
    } else if (g_str_equal(section->media, "application") &&
               g_str_has_suffix(section->proto, "DTLS/SCTP") &&
               g_strcmp0(section->formats[0], "webrtc-datachannel") == 0) {
        *ret = SCOPE_SDP_KIND_DATA;
    } else {
        return fail(error, SCOPE_MEDIA_ERROR_UNSUPPORTED, index,
                    "must be video or audio over UDP/TLS/RTP/SAVPF, or application over "
                    "UDP/DTLS/SCTP with the format webrtc-datachannel");
    }
    return TRUE;
}

/* How well H.264 payload @pt fits: 0 not at all, 1 baseline, 2 constrained baseline. */
static guint
rate_h264(const ScopeSdpSection *section, int pt, char **ret_profile)
{
    const char *fmtp = scope_sdp_section_find_payload(section, "fmtp", pt, 0);
    g_auto(GStrv) items = g_strsplit_set(fmtp ? fmtp : "", "; ", 32);
    const char *profile = NULL;
    gboolean mode_1 = FALSE;
    for (guint i = 0; items[i] != NULL; i++) {
        mode_1 |= g_str_equal(items[i], "packetization-mode=1");
        if (g_str_has_prefix(items[i], "profile-level-id=")) {
            profile = items[i] + strlen("profile-level-id=");
        }
    }
    profile = profile ? profile : BASELINE;
    if (!mode_1 || !is_made_of(profile, G_CSET_DIGITS "abcdefABCDEF", 6, 6) ||
        !g_str_has_prefix(profile, "42")) {
        return 0;
    }
    *ret_profile = g_ascii_strdown(profile, -1);
    char flags[3] = {profile[2], profile[3], '\0'};
    return (strtoul(flags, NULL, 16) & 0x40) ? 2 : 1;
}

static gboolean
read_payload(const char *format, int *ret)
{
    guint64 value;
    if (!g_ascii_string_to_unsigned(format, 10, 0, 127, &value, NULL)) {
        return FALSE;
    }
    *ret = (int)value;
    return TRUE;
}

static void
choose_codec(const ScopeSdpSection *section, ScopeVideoCodec preferred, ScopeSdpMedia *media)
{
    guint best = 0;
    for (guint i = 0; section->formats[i] != NULL; i++) {
        int pt;
        if (!read_payload(section->formats[i], &pt)) {
            continue;
        }
        const char *map = scope_sdp_section_find_payload(section, "rtpmap", pt, 0);
        g_autofree char *profile = NULL;
        guint rating = 0;
        ScopeVideoCodec codec = SCOPE_VIDEO_CODEC_NONE;
        if (map != NULL && g_ascii_strcasecmp(map, "VP8/90000") == 0) {
            codec = SCOPE_VIDEO_CODEC_VP8;
            rating = 3;
        } else if (map != NULL && g_ascii_strcasecmp(map, "H264/90000") == 0) {
            codec = SCOPE_VIDEO_CODEC_H264;
            rating = rate_h264(section, pt, &profile);
        }
        rating += (rating > 0 && codec == preferred) ? 4 : 0;
        if (rating > best) {
            best = rating;
            media->codec = codec;
            media->payload = pt;
            g_free(media->profile_level_id);
            media->profile_level_id = g_steal_pointer(&profile);
        }
    }
}

static const char *
read_direction(const ScopeSdpSection *section, const ScopeSdpSection *session)
{
    static const char *const names[] = {"sendrecv", "sendonly", "recvonly", "inactive"};
    const ScopeSdpSection *const levels[] = {section, session};
    for (guint level = 0; level < G_N_ELEMENTS(levels); level++) {
        for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
            if (scope_sdp_section_find(levels[level], names[i], 0) != NULL) {
                return names[i];
            }
        }
    }
    return names[0];
}

/* Numbers inputs and outputs, and returns the direction that is left of the client's. */
static const char *
assign_tracks(ScopeSdpOffer *offer, ScopeSdpMedia *media, const char *direction, guint max_outputs)
{
    gboolean client_sends =
        g_str_equal(direction, "sendrecv") || g_str_equal(direction, "sendonly");
    gboolean client_receives =
        g_str_equal(direction, "sendrecv") || g_str_equal(direction, "recvonly");
    if (client_sends && offer->n_inputs < SCOPE_PEER_MAX_TRACKS) {
        media->input = (int)offer->n_inputs++;
    }
    if (client_receives && offer->n_outputs < MIN(max_outputs, SCOPE_PEER_MAX_TRACKS)) {
        media->output = (int)offer->n_outputs++;
    }
    if (media->input >= 0) {
        return media->output >= 0 ? "sendrecv" : "sendonly";
    }
    return media->output >= 0 ? "recvonly" : "inactive";
}

static void
write_ssrcs(const ScopeSdpSection *section, GString *out)
{
    const char *value;
    for (guint i = 0; i < MAX_SSRC && (value = scope_sdp_section_find(section, "ssrc", i)); i++) {
        g_auto(GStrv) words = g_strsplit(value, " ", 2);
        guint64 ssrc;
        if (words[0] && words[1] && g_str_has_prefix(words[1], "cname:") &&
            g_ascii_string_to_unsigned(words[0], 10, 1, G_MAXUINT32, &ssrc, NULL) &&
            is_made_of(words[1] + strlen("cname:"), TOKEN_CHARS "/=:@", 1, 256)) {
            g_string_append_printf(out, "a=ssrc:%s %s\r\n", words[0], words[1]);
        }
    }
    for (guint i = 0; i < MAX_SSRC && (value = scope_sdp_section_find(section, "ssrc-group", i));
         i++) {
        if (g_str_has_prefix(value, "FID ") &&
            is_made_of(value + strlen("FID "), G_CSET_DIGITS " ", 3, 32)) {
            g_string_append_printf(out, "a=ssrc-group:%s\r\n", value);
        }
    }
    value = scope_sdp_section_find(section, "msid", 0);
    if (is_made_of(value, TOKEN_CHARS " ", 1, 256)) {
        g_string_append_printf(out, "a=msid:%s\r\n", value);
    }
}

/* Keeps the header extension @uri of the offer; its id, or 0 when it is not offered. */
static int
write_extension(const ScopeSdpSection *section, const char *uri, GString *out)
{
    const char *value;
    for (guint i = 0; (value = scope_sdp_section_find(section, "extmap", i)); i++) {
        g_auto(GStrv) words = g_strsplit(value, " ", 3);
        guint64 id;
        if (words[0] && g_strcmp0(words[1], uri) == 0 &&
            g_ascii_string_to_unsigned(words[0], 10, 1, MAX_EXTMAP_ID, &id, NULL)) {
            g_string_append_printf(out, "a=extmap:%u %s\r\n", (guint)id, uri);
            return (int)id;
        }
    }
    return 0;
}

static int
find_rtx(const ScopeSdpSection *section, int payload)
{
    for (guint i = 0; section->formats[i] != NULL; i++) {
        int pt;
        if (!read_payload(section->formats[i], &pt)) {
            continue;
        }
        const char *map = scope_sdp_section_find_payload(section, "rtpmap", pt, 0);
        const char *fmtp = scope_sdp_section_find_payload(section, "fmtp", pt, 0);
        int apt;
        if (map != NULL && g_ascii_strcasecmp(map, "rtx/90000") == 0 && fmtp != NULL &&
            g_str_has_prefix(fmtp, "apt=") && read_payload(fmtp + strlen("apt="), &apt) &&
            apt == payload && pt != payload) {
            return pt;
        }
    }
    return -1;
}

static void
write_feedback(const ScopeSdpSection *section, ScopeSdpMedia *media, GString *out)
{
    static const char *const known[] = {"nack", "nack pli", "ccm fir", "goog-remb", "transport-cc"};
    for (guint k = 0; k < G_N_ELEMENTS(known); k++) {
        const char *value;
        if (k == G_N_ELEMENTS(known) - 1 && media->twcc_id == 0) {
            break;
        }
        for (guint i = 0;
             (value = scope_sdp_section_find_payload(section, "rtcp-fb", media->payload, i)); i++) {
            if (g_str_equal(value, known[k])) {
                media->remb |= g_str_equal(value, "goog-remb");
                g_string_append_printf(out, "a=rtcp-fb:%d %s\r\n", media->payload, value);
                break;
            }
        }
    }
}

static void
write_video(const ScopeSdpSection *section, ScopeSdpMedia *media, const char *direction,
            GString *out)
{
    int rtx = find_rtx(section, media->payload);
    g_string_append_printf(out, "m=video 9 UDP/TLS/RTP/SAVPF %d", media->payload);
    if (rtx >= 0) {
        g_string_append_printf(out, " %d", rtx);
    }
    g_string_append_printf(out, "\r\nc=IN IP4 0.0.0.0\r\na=%s\r\na=rtcp-mux\r\n", direction);
    if (scope_sdp_section_find(section, "rtcp-rsize", 0) != NULL) {
        g_string_append(out, "a=rtcp-rsize\r\n");
    }
    g_string_append_printf(out, "a=rtpmap:%d %s/90000\r\n", media->payload,
                           media->codec == SCOPE_VIDEO_CODEC_VP8 ? "VP8" : "H264");
    if (media->codec == SCOPE_VIDEO_CODEC_H264) {
        g_string_append_printf(out,
                               "a=fmtp:%d level-asymmetry-allowed=1;packetization-mode=1;"
                               "profile-level-id=%s\r\n",
                               media->payload, media->profile_level_id);
    }
    media->twcc_id = write_extension(section, SCOPE_SDP_TWCC_URI, out);
    media->colour_id = write_extension(section, SCOPE_COLOUR_URI, out);
    write_feedback(section, media, out);
    if (rtx >= 0) {
        g_string_append_printf(out, "a=rtpmap:%d rtx/90000\r\na=fmtp:%d apt=%d\r\n", rtx, rtx,
                               media->payload);
    }
    write_ssrcs(section, out);
}

static void
write_audio(const ScopeSdpSection *section, ScopeSdpMedia *media, GString *out)
{
    int pt = -1;
    const char *map = NULL;
    for (guint i = 0; section->formats[i] != NULL && map == NULL; i++) {
        if (read_payload(section->formats[i], &pt)) {
            map = scope_sdp_section_find_payload(section, "rtpmap", pt, 0);
            map = (map && g_ascii_strcasecmp(map, "opus/48000/2") == 0) ? map : NULL;
        }
    }
    if (map == NULL) {
        g_string_append_printf(out, "m=audio 0 UDP/TLS/RTP/SAVPF 0\r\nc=IN IP4 0.0.0.0\r\n");
        g_string_append(out, "a=inactive\r\na=rtcp-mux\r\n");
        return;
    }
    media->payload = pt;
    g_string_append_printf(out, "m=audio 9 UDP/TLS/RTP/SAVPF %d\r\nc=IN IP4 0.0.0.0\r\n", pt);
    g_string_append_printf(out, "a=inactive\r\na=rtcp-mux\r\na=rtpmap:%d opus/48000/2\r\n", pt);
}

static gboolean
write_data(const ScopeSdpSection *section, guint index, GString *out, GError **error)
{
    const char *port = scope_sdp_section_find(section, "sctp-port", 0);
    guint64 value;
    if (port == NULL || !g_ascii_string_to_unsigned(port, 10, 1, G_MAXUINT16, &value, NULL)) {
        return fail(error, SCOPE_MEDIA_ERROR_SDP, index,
                    "sctp-port is %s, but a number from 1 to 65535 is needed",
                    port ? "malformed" : "missing");
    }
    g_string_append_printf(out,
                           "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n"
                           "c=IN IP4 0.0.0.0\r\na=sctp-port:%u\r\na=max-message-size:%d\r\n",
                           (guint)value, SCOPE_PEER_MAX_MESSAGE_BYTES);
    return TRUE;
}

static gboolean
read_mid(ScopeSdpOffer *offer, const ScopeSdpSection *section, guint index, GError **error)
{
    const char *mid = scope_sdp_section_find(section, "mid", 0);
    if (!is_made_of(mid, TOKEN_CHARS, 1, 64)) {
        return fail(error, SCOPE_MEDIA_ERROR_SDP, index,
                    "mid is %s, but 1 to 64 token characters are needed",
                    mid ? "malformed" : "missing");
    }
    for (guint i = 0; i < index; i++) {
        if (g_str_equal(offer->media[i].mid, mid)) {
            return fail(error, SCOPE_MEDIA_ERROR_SDP, index, "mid \"%s\" is used twice", mid);
        }
    }
    offer->media[index].mid = g_strdup(mid);
    return TRUE;
}

/* Writes one m-line of the reduced offer. @first holds the transport of the first m-line. */
static gboolean
reduce_section(ScopeSdpOffer *offer, const ScopeSdpText *text, guint index,
               ScopeVideoCodec preferred, guint max_outputs, Transport *first, GString *out,
               GError **error)
{
    const ScopeSdpSection *session = text->sections->pdata[0];
    const ScopeSdpSection *section = text->sections->pdata[index + 1];
    ScopeSdpMedia *media = &offer->media[index];
    Transport t = {NULL, NULL, NULL, NULL};
    if (!read_kind(section, index, &media->kind, error) ||
        !read_mid(offer, section, index, error) ||
        !read_transport(section, session, first, index, &t, error)) {
        return FALSE;
    }
    if (index == 0) {
        *first = t;
    }
    if (media->kind != SCOPE_SDP_KIND_DATA &&
        scope_sdp_section_find(section, "rtcp-mux", 0) == NULL) {
        return fail(error, SCOPE_MEDIA_ERROR_SDP, index, "rtcp-mux is missing");
    }
    gboolean rejected = section->port == 0 && !scope_sdp_section_find(section, "bundle-only", 0);
    if (media->kind == SCOPE_SDP_KIND_VIDEO) {
        choose_codec(section, preferred, media);
        if (rejected || media->codec == SCOPE_VIDEO_CODEC_NONE) {
            media->payload = -1;
            media->codec = SCOPE_VIDEO_CODEC_NONE;
            g_string_append(out, "m=video 0 UDP/TLS/RTP/SAVPF 0\r\nc=IN IP4 0.0.0.0\r\n"
                                 "a=inactive\r\na=rtcp-mux\r\n");
        } else {
            const char *direction = read_direction(section, session);
            write_video(section, media, assign_tracks(offer, media, direction, max_outputs), out);
        }
    } else if (media->kind == SCOPE_SDP_KIND_AUDIO) {
        write_audio(section, media, out);
    } else if (!write_data(section, index, out, error)) {
        return FALSE;
    }
    g_string_append_printf(out,
                           "a=mid:%s\r\na=setup:%s\r\na=ice-ufrag:%s\r\na=ice-pwd:%s\r\n"
                           "a=fingerprint:%s\r\na=ice-options:trickle\r\n",
                           media->mid, t.setup, t.ufrag, t.pwd, t.fingerprint);
    return TRUE;
}

/* Every m-line that is alive must be in one BUNDLE group: there is one transport. */
static gboolean
check_bundle(const ScopeSdpOffer *offer, const ScopeSdpText *text, GError **error)
{
    const char *group;
    guint nth = 0;
    do {
        group = scope_sdp_section_find(text->sections->pdata[0], "group", nth++);
    } while (group != NULL && !g_str_has_prefix(group, "BUNDLE "));
    g_auto(GStrv) mids = g_strsplit(group ? group : "", " ", SCOPE_SDP_MAX_MEDIA + 2);
    for (guint i = 0; i < offer->n_media && offer->n_media > 1; i++) {
        const ScopeSdpSection *section = text->sections->pdata[i + 1];
        gboolean alive = section->port != 0 || scope_sdp_section_find(section, "bundle-only", 0);
        if (alive && !g_strv_contains((const char *const *)mids, offer->media[i].mid)) {
            return fail(error, SCOPE_MEDIA_ERROR_UNSUPPORTED, i,
                        "mid \"%s\" is not in the BUNDLE group, and only bundled m-lines are "
                        "supported",
                        offer->media[i].mid);
        }
    }
    return TRUE;
}

static gboolean
check_common_codec(const ScopeSdpOffer *offer, GError **error)
{
    int first_without = -1;
    for (guint i = 0; i < offer->n_media; i++) {
        if (offer->media[i].codec != SCOPE_VIDEO_CODEC_NONE) {
            return TRUE;
        }
        if (offer->media[i].kind == SCOPE_SDP_KIND_VIDEO && first_without < 0) {
            first_without = (int)i;
        }
    }
    return first_without < 0 ||
           fail(error, SCOPE_MEDIA_ERROR_UNSUPPORTED, (guint)first_without,
                "no video codec in common: VP8, or H.264 baseline with packetization-mode=1, must "
                "be offered");
}

static char *
write_session(const ScopeSdpOffer *offer, const char *body)
{
    GString *out = g_string_new("v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE");
    for (guint i = 0; i < offer->n_media; i++) {
        g_string_append_printf(out, " %s", offer->media[i].mid);
    }
    g_string_append_printf(out, "\r\na=ice-options:trickle\r\n%s", body);
    return g_string_free(out, FALSE);
}

/* Candidates inside the offer go the same way as those that follow it. */
static gboolean
read_candidates(ScopeSdpOffer *offer, const ScopeSdpText *text, GError **error)
{
    g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func(g_free);
    for (guint i = 0; i < offer->n_media; i++) {
        const char *value;
        for (guint nth = 0;
             (value = scope_sdp_section_find(text->sections->pdata[i + 1], "candidate", nth));
             nth++) {
            char *normal = NULL;
            if (!scope_candidate_parse(value, &normal, error)) {
                g_prefix_error(error, "SDP m-line %u: ", i);
                return FALSE;
            }
            if (normal != NULL) {
                g_ptr_array_add(list, normal);
            }
        }
    }
    g_ptr_array_add(list, NULL);
    offer->candidates = (char **)g_ptr_array_free(g_steal_pointer(&list), FALSE);
    return TRUE;
}

ScopeSdpOffer *
scope_sdp_offer_parse(const char *bytes, gsize n_bytes, ScopeVideoCodec preferred_codec,
                      guint max_outputs, GError **error)
{
    g_autoptr(ScopeSdpText) text = scope_sdp_text_parse(bytes, n_bytes, error);
    if (text == NULL) {
        return NULL;
    }
    g_autoptr(ScopeSdpOffer) offer = g_new0(ScopeSdpOffer, 1);
    offer->n_media = text->sections->len - 1;
    offer->media = g_new0(ScopeSdpMedia, offer->n_media);
    for (guint i = 0; i < offer->n_media; i++) {
        offer->media[i].payload = offer->media[i].input = offer->media[i].output = -1;
    }
    g_autoptr(GString) body = g_string_new(NULL);
    Transport first = {NULL, NULL, NULL, NULL};
    for (guint i = 0; i < offer->n_media; i++) {
        if (!reduce_section(offer, text, i, preferred_codec, max_outputs, &first, body, error)) {
            return NULL;
        }
    }
    if (!check_bundle(offer, text, error) || !check_common_codec(offer, error) ||
        !read_candidates(offer, text, error)) {
        return NULL;
    }
    offer->ufrag = g_strdup(first.ufrag);
    offer->reduced = write_session(offer, body->str);
    return g_steal_pointer(&offer);
}

void
scope_sdp_offer_free(ScopeSdpOffer *offer)
{
    if (offer == NULL) {
        return;
    }
    for (guint i = 0; i < offer->n_media; i++) {
        g_free(offer->media[i].mid);
        g_free(offer->media[i].profile_level_id);
    }
    g_free(offer->media);
    g_free(offer->ufrag);
    g_free(offer->reduced);
    g_strfreev(offer->candidates);
    g_free(offer);
}

/* M-line @index, NULL for the session's part, which is -1. */
static const ScopeSdpMedia *
get_media(const ScopeSdpOffer *offer, int index)
{
    return index >= 0 && index < (int)offer->n_media ? &offer->media[index] : NULL;
}

/* Ends the m-line @index of the answer; @rtx_ssrc is the source of its retransmissions, or 0. */
static void
end_section(GString *out, const ScopeSdpOffer *offer, int index, guint32 rtx_ssrc,
            gboolean has_candidates)
{
    const ScopeSdpMedia *media = get_media(offer, index);
    if (media != NULL && media->output >= 0) {
        guint32 ssrcs[] = {media->ssrc, rtx_ssrc};
        g_string_append_printf(out, "a=msid:scope scope-video-%d\r\n", media->output);
        for (guint i = 0; i < G_N_ELEMENTS(ssrcs) && ssrcs[i] != 0; i++) {
            g_string_append_printf(out, "a=ssrc:%u cname:%s\r\n", ssrcs[i], SCOPE_SDP_CNAME);
            g_string_append_printf(out, "a=ssrc:%u msid:scope scope-video-%d\r\n", ssrcs[i],
                                   media->output);
        }
    }
    if (media != NULL && media->remb) {
        g_string_append_printf(out, "a=rtcp-fb:%d goog-remb\r\n", media->payload);
    }
    if (has_candidates) {
        g_string_append(out, "a=end-of-candidates\r\n");
    }
}

/* webrtcbin leaves the profile out of its answer; without it a client assumes level 1. */
static void
write_line(GString *out, const char *line, const ScopeSdpMedia *media)
{
    g_string_append(out, line);
    if (media != NULL && media->codec == SCOPE_VIDEO_CODEC_H264 &&
        g_str_has_prefix(line, "a=fmtp:") && strstr(line, "packetization-mode=1") &&
        !strstr(line, "profile-level-id")) {
        g_string_append_printf(out, ";profile-level-id=%s", media->profile_level_id);
    }
    g_string_append(out, "\r\n");
}

/* Lines that are written anew. */
static gboolean
is_replaced(const char *line)
{
    static const char *const prefixes[] = {"a=max-message-size:", "a=end-of-candidates",
                                           "a=msid:", "a=msid-semantic", "a=ssrc:"};
    for (guint i = 0; i < G_N_ELEMENTS(prefixes); i++) {
        if (g_str_has_prefix(line, prefixes[i])) {
            return TRUE;
        }
    }
    return *line == '\0';
}

char *
scope_sdp_answer_complete(const char *answer, const ScopeSdpOffer *offer, GError **error)
{
    if (answer == NULL || !g_str_has_prefix(answer, "v=0")) {
        g_set_error(error, SCOPE_MEDIA_ERROR, SCOPE_MEDIA_ERROR_FAILED,
                    "the answer cannot be read: it does not start with v=0");
        return NULL;
    }
    g_auto(GStrv) lines = g_strsplit_set(answer, "\r\n", -1);
    GString *out = g_string_sized_new(strlen(answer) + 256);
    gboolean has_candidates = FALSE;
    guint32 rtx_ssrc = 0;
    int index = -1;
    for (guint i = 0; lines[i] != NULL; i++) {
        if (is_replaced(lines[i])) {
            continue;
        }
        if (g_str_has_prefix(lines[i], "m=")) {
            end_section(out, offer, index++, rtx_ssrc, has_candidates);
            has_candidates = FALSE;
            rtx_ssrc = 0;
        }
        sscanf(lines[i], "a=ssrc-group:FID %*u %u", &rtx_ssrc);
        has_candidates |= g_str_has_prefix(lines[i], "a=candidate:");
        write_line(out, lines[i], get_media(offer, index));
        if (g_str_has_prefix(lines[i], "a=group:BUNDLE")) {
            g_string_append(out, "a=msid-semantic: WMS *\r\n");
        }
        if (g_str_has_prefix(lines[i], "a=sctp-port:")) {
            g_string_append_printf(out, "a=max-message-size:%d\r\n", SCOPE_PEER_MAX_MESSAGE_BYTES);
        }
    }
    end_section(out, offer, index, rtx_ssrc, has_candidates);
    return g_string_free(out, FALSE);
}
