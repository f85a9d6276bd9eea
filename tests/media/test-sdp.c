/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The validator of offers and candidates: what browsers send passes and is reduced to what the
 * server speaks; malformed and hostile text is refused with the reason.
 */
#include <string.h>

#include "media/scope-candidate.h"
#include "media/scope-media.h"
#include "media/scope-sdp.h"

#define VP8  SCOPE_VIDEO_CODEC_VP8
#define H264 SCOPE_VIDEO_CODEC_H264

#define TRANSPORT                                                                                  \
    "a=ice-ufrag:m2v+\r\na=ice-pwd:KDiNSvQmtXip4XrtVhaPU4Uz\r\na=fingerprint:sha-256 "             \
    "12:1B:94:38:65:9E:A6:62:2B:C4:56:A6:19:93:27:DF:DC:34:0A:F7:7B:BC:A7:CB:61:92:B4:27:CA:94:"   \
    "74:F1\r\na=setup:actpass\r\n"
#define SESSION "v=0\r\no=- 7 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"
#define VIDEO                                                                                      \
    "m=video 9 UDP/TLS/RTP/SAVPF 45 96 97 98 99 100\r\nc=IN IP4 0.0.0.0\r\n" TRANSPORT             \
    "a=mid:0\r\na=sendrecv\r\na=rtcp-mux\r\na=rtpmap:45 AV1/90000\r\na=rtpmap:96 VP8/90000\r\n"    \
    "a=rtcp-fb:96 goog-remb\r\na=rtcp-fb:96 nack\r\na=rtcp-fb:96 nack pli\r\n"                     \
    "a=rtcp-fb:96 transport-cc\r\na=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\n"                   \
    "a=extmap:4 " SCOPE_SDP_TWCC_URI "\r\na=extmap:3 urn:3gpp:video-orientation\r\n"               \
    "a=rtpmap:98 H264/90000\r\na=fmtp:98 packetization-mode=1;profile-level-id=42001f\r\n"         \
    "a=rtpmap:99 H264/90000\r\na=fmtp:99 packetization-mode=1;profile-level-id=42e01f\r\n"         \
    "a=rtpmap:100 H264/90000\r\na=fmtp:100 packetization-mode=0;profile-level-id=42e01f\r\n"       \
    "a=simulcast:send a;b\r\na=ssrc:2688343747 cname:abc\r\n"
#define AUDIO                                                                                      \
    "m=audio 9 UDP/TLS/RTP/SAVPF 111 63\r\nc=IN IP4 0.0.0.0\r\n" TRANSPORT                         \
    "a=mid:1\r\na=recvonly\r\na=rtcp-mux\r\na=rtpmap:111 opus/48000/2\r\n"
#define DATA                                                                                       \
    "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\n" TRANSPORT           \
    "a=mid:2\r\na=sctp-port:5000\r\na=max-message-size:262144\r\n"
#define BUNDLE "a=group:BUNDLE 0 1 2\r\n"
#define GOOD   SESSION BUNDLE VIDEO AUDIO DATA

static ScopeSdpOffer *
parse(const char *text, GError **error)
{
    return scope_sdp_offer_parse(text, strlen(text), VP8, 1, error);
}

static char *
replace(const char *text, const char *from, const char *to)
{
    g_auto(GStrv) parts = g_strsplit(text, from, -1);
    g_assert_cmpuint(g_strv_length(parts), >, 1);
    return g_strjoinv(to, parts);
}

static void
test_browser_offer(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(ScopeSdpOffer) offer = parse(GOOD, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(offer->n_media, ==, 3);
    g_assert_cmpuint(offer->n_inputs, ==, 1);
    g_assert_cmpuint(offer->n_outputs, ==, 1);
    g_assert_cmpint(offer->media[0].codec, ==, VP8);
    g_assert_cmpint(offer->media[0].payload, ==, 96);
    g_assert_cmpint(offer->media[0].twcc_id, ==, 4);
    g_assert_true(offer->media[0].remb);
    g_assert_cmpint(offer->media[1].kind, ==, SCOPE_SDP_KIND_AUDIO);
    g_assert_cmpint(offer->media[2].kind, ==, SCOPE_SDP_KIND_DATA);
    g_assert_nonnull(strstr(offer->reduced, "m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\n"));
    g_assert_nonnull(strstr(offer->reduced, "a=fmtp:97 apt=96"));
    g_assert_nonnull(strstr(offer->reduced, "a=ssrc:2688343747 cname:abc"));
    g_assert_null(strstr(offer->reduced, "AV1"));
    g_assert_null(strstr(offer->reduced, "simulcast"));
    g_assert_null(strstr(offer->reduced, "video-orientation"));
}

static void
test_h264(void)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *text = replace(GOOD, "VP8/90000", "VP9/90000");
    g_autoptr(ScopeSdpOffer) offer = parse(text, &error);
    g_assert_no_error(error);
    g_assert_cmpint(offer->media[0].codec, ==, H264);
    g_assert_cmpint(offer->media[0].payload, ==, 99);
    g_assert_cmpstr(offer->media[0].profile_level_id, ==, "42e01f");
    g_autoptr(ScopeSdpOffer) preferred = scope_sdp_offer_parse(GOOD, strlen(GOOD), H264, 1, &error);
    g_assert_no_error(error);
    g_assert_cmpint(preferred->media[0].payload, ==, 99);
}

static void
test_directions(void)
{
    static const struct {
        const char *direction;
        int input, output;
        const char *reduced;
    } cases[] = {{"sendrecv", 0, 0, "a=sendrecv"},
                 {"sendonly", 0, -1, "a=sendonly"},
                 {"recvonly", -1, 0, "a=recvonly"},
                 {"inactive", -1, -1, "a=inactive"}};
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        g_autofree char *direction = g_strconcat("a=", cases[i].direction, NULL);
        g_autofree char *text = replace(SESSION VIDEO, "a=sendrecv", direction);
        g_autoptr(ScopeSdpOffer) offer = parse(text, &error);
        g_assert_no_error(error);
        g_assert_cmpint(offer->media[0].input, ==, cases[i].input);
        g_assert_cmpint(offer->media[0].output, ==, cases[i].output);
        g_assert_nonnull(strstr(offer->reduced, cases[i].reduced));
    }
}

/* Each: what is replaced in a good offer, by what, and the words that the error must hold. */
static const struct {
    const char *from, *to, *words;
    ScopeMediaError code;
} bad[] = {
    {"v=0\r\n", "v=1\r\n", "v=0", SCOPE_MEDIA_ERROR_SDP},
    {"o=- 7 2 IN IP4 127.0.0.1\r\n", "", "o= line", SCOPE_MEDIA_ERROR_SDP},
    {"t=0 0\r\n", "t=0 0\r\nnonsense\r\n", "line 5", SCOPE_MEDIA_ERROR_SDP},
    {"m=video 9", "m=video 99999999999", "m-line", SCOPE_MEDIA_ERROR_SDP},
    {"m=video 9", "m=video nine", "m-line", SCOPE_MEDIA_ERROR_SDP},
    {"m=video 9 UDP/TLS/RTP/SAVPF", "m=video 9 RTP/AVP", "UDP/TLS/RTP/SAVPF",
     SCOPE_MEDIA_ERROR_UNSUPPORTED},
    {"m=video", "m=text", "video or audio", SCOPE_MEDIA_ERROR_UNSUPPORTED},
    {"a=mid:0\r\n", "", "mid is missing", SCOPE_MEDIA_ERROR_SDP},
    {"a=mid:0\r\n", "a=mid:1\r\n", "used twice", SCOPE_MEDIA_ERROR_SDP},
    {"a=mid:0\r\n", "a=mid:a b\r\n", "mid is malformed", SCOPE_MEDIA_ERROR_SDP},
    {"a=ice-ufrag:m2v+", "a=ice-ufrag:x", "ice-ufrag is malformed", SCOPE_MEDIA_ERROR_SDP},
    {"a=ice-ufrag:m2v+\r\n", "", "ice-ufrag is missing", SCOPE_MEDIA_ERROR_SDP},
    {"a=ice-pwd:KDiNSvQmtXip4XrtVhaPU4Uz", "a=ice-pwd:short", "ice-pwd", SCOPE_MEDIA_ERROR_SDP},
    {"sha-256", "md5", "fingerprint", SCOPE_MEDIA_ERROR_SDP},
    {"12:1B:94", "12:1B", "fingerprint", SCOPE_MEDIA_ERROR_SDP},
    {"a=setup:actpass\r\n", "", "setup is missing", SCOPE_MEDIA_ERROR_SDP},
    {"a=setup:actpass", "a=setup:holdconn", "setup is malformed", SCOPE_MEDIA_ERROR_SDP},
    {"a=rtcp-mux\r\n", "", "rtcp-mux", SCOPE_MEDIA_ERROR_SDP},
    {"a=sctp-port:5000\r\n", "", "sctp-port is missing", SCOPE_MEDIA_ERROR_SDP},
    {"a=sctp-port:5000", "a=sctp-port:0", "sctp-port is malformed", SCOPE_MEDIA_ERROR_SDP},
    {BUNDLE, "", "BUNDLE", SCOPE_MEDIA_ERROR_UNSUPPORTED},
    {"a=rtpmap:96 VP8/90000\r\n", "", NULL, 0}, /* H.264 is left */
    {"a=mid:2\r\n", "a=mid:2\r\na=candidate:1 1 udp 1 127.0.0.1 5 typ wrong\r\n", "type is",
     SCOPE_MEDIA_ERROR_CANDIDATE},
    {"s=-\r\n", "s=\xff\xfe\r\n", "UTF-8", SCOPE_MEDIA_ERROR_SDP},
    {"s=-\r\n", "s=\x01\r\n", "control character", SCOPE_MEDIA_ERROR_SDP},
};

static void
test_bad_offers(void)
{
    for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;
        g_autofree char *text = replace(GOOD, bad[i].from, bad[i].to);
        g_autoptr(ScopeSdpOffer) offer = parse(text, &error);
        if (bad[i].words == NULL) {
            g_assert_no_error(error);
            g_assert_cmpint(offer->media[0].codec, ==, H264);
            continue;
        }
        g_assert_null(offer);
        g_test_message("%s", error->message);
        g_assert_error(error, SCOPE_MEDIA_ERROR, (int)bad[i].code);
        g_assert_nonnull(strstr(error->message, bad[i].words));
    }
}

static void
test_no_common_codec(void)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *one = replace(GOOD, "VP8/90000", "VP9/90000");
    g_autofree char *two = replace(one, "H264/90000", "H265/90000");
    g_assert_null(parse(two, &error));
    g_assert_error(error, SCOPE_MEDIA_ERROR, SCOPE_MEDIA_ERROR_UNSUPPORTED);
    g_assert_nonnull(strstr(error->message, "VP8"));
}

static void
test_limits(void)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *large = g_strnfill(SCOPE_PEER_MAX_SDP_BYTES + 1, 'v');
    g_assert_null(parse(large, &error));
    g_assert_error(error, SCOPE_MEDIA_ERROR, SCOPE_MEDIA_ERROR_LIMIT);
    g_clear_error(&error);
    g_autoptr(GString) many = g_string_new(SESSION);
    for (guint i = 0; i <= SCOPE_SDP_MAX_MEDIA; i++) {
        g_string_append(many, VIDEO);
    }
    g_assert_null(parse(many->str, &error));
    g_assert_error(error, SCOPE_MEDIA_ERROR, SCOPE_MEDIA_ERROR_LIMIT);
    g_clear_error(&error);
    g_autoptr(GString) long_text = g_string_new(SESSION VIDEO);
    for (guint i = 0; i < 5000; i++) {
        g_string_append(long_text, "a=x\r\n");
    }
    g_assert_null(parse(long_text->str, &error));
    g_assert_error(error, SCOPE_MEDIA_ERROR, SCOPE_MEDIA_ERROR_LIMIT);
}

/* Every prefix of a good offer, and every offer with one byte changed, ends in offer or error. */
static void
test_mutations(void)
{
    gsize n_bytes = strlen(GOOD);
    for (gsize i = 0; i < n_bytes; i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(ScopeSdpOffer) cut = scope_sdp_offer_parse(GOOD, i, VP8, 1, &error);
        g_assert_true((cut == NULL) == (error != NULL));
        static const char bytes[] = {0, '\n', ' ', ':', '9', 'z', '\x80'};
        for (guint b = 0; b < sizeof(bytes); b++) {
            g_autofree char *changed = g_strdup(GOOD);
            g_autoptr(GError) other = NULL;
            changed[i] = bytes[b];
            g_autoptr(ScopeSdpOffer) offer =
                scope_sdp_offer_parse(changed, n_bytes, VP8, 1, &other);
            g_assert_true((offer == NULL) == (other != NULL));
        }
    }
}

static void
test_answer(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(ScopeSdpOffer) offer = parse(GOOD, &error);
    offer->media[0].ssrc = 4711;
    g_autofree char *answer = scope_sdp_answer_complete(
        "v=0\r\na=group:BUNDLE 0 1 2\r\nm=video 9 UDP/TLS/RTP/SAVPF 96 97\r\n"
        "a=ssrc-group:FID 4711 4712\r\na=ssrc:4711 cname:user@host\r\n"
        "a=candidate:1 1 UDP 1 127.0.0.1 9 typ host\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n"
        "a=inactive\r\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=sctp-port:5000\r\n",
        offer, &error);
    g_assert_no_error(error);
    g_assert_null(strstr(answer, "user@host"));
    g_assert_nonnull(strstr(answer, "a=ssrc:4712 msid:scope scope-video-0\r\n"));
    g_assert_nonnull(strstr(answer, "a=rtcp-fb:96 goog-remb\r\n"));
    g_assert_nonnull(strstr(answer, "a=end-of-candidates\r\nm=audio"));
    g_assert_nonnull(strstr(answer, "a=sctp-port:5000\r\na=max-message-size:65536\r\n"));
    g_assert_null(scope_sdp_answer_complete(NULL, offer, &error));
    g_assert_error(error, SCOPE_MEDIA_ERROR, SCOPE_MEDIA_ERROR_FAILED);
}

static void
test_candidates(void)
{
    static const struct {
        const char *text;
        ScopeCandidateKind kind;
        const char *words;
    } cases[] = {
        {NULL, SCOPE_CANDIDATE_KIND_END, NULL},
        {"", SCOPE_CANDIDATE_KIND_END, NULL},
        {"a=end-of-candidates", SCOPE_CANDIDATE_KIND_END, NULL},
        {"candidate:", SCOPE_CANDIDATE_KIND_END, NULL},
        {"candidate:1 1 udp 2 192.0.2.1 5 typ host", SCOPE_CANDIDATE_KIND_ADDRESS, NULL},
        {"1 1 UDP 2 2001:db8::1 5 typ srflx raddr 0.0.0.0 rport 0", SCOPE_CANDIDATE_KIND_ADDRESS,
         NULL},
        {"a=candidate:1 1 udp 2 x.local 5 typ host", SCOPE_CANDIDATE_KIND_NAME, NULL},
        {"1 1 tcp 2 192.0.2.1 9 typ host tcptype active", SCOPE_CANDIDATE_KIND_IGNORED, NULL},
        {"1 2 udp 2 192.0.2.1 9 typ host", SCOPE_CANDIDATE_KIND_IGNORED, NULL},
        {"hello", SCOPE_CANDIDATE_KIND_INVALID, "fields"},
        {"1 0 udp 2 192.0.2.1 5 typ host", SCOPE_CANDIDATE_KIND_INVALID, "component"},
        {"1 1 sctp 2 192.0.2.1 5 typ host", SCOPE_CANDIDATE_KIND_INVALID, "transport"},
        {"1 1 udp -2 192.0.2.1 5 typ host", SCOPE_CANDIDATE_KIND_INVALID, "priority"},
        {"1 1 udp 2 a/../b 5 typ host", SCOPE_CANDIDATE_KIND_INVALID, "address"},
        {"1 1 udp 2 192.0.2.1 65536 typ host", SCOPE_CANDIDATE_KIND_INVALID, "port"},
        {"1 1 udp 2 192.0.2.1 5 type host", SCOPE_CANDIDATE_KIND_INVALID, "typ"},
        {"1 1 udp 2 192.0.2.1 5 typ host\r\na=mid:9", SCOPE_CANDIDATE_KIND_INVALID, "single line"},
    };
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        g_autofree char *normal = NULL;
        g_assert_cmpint(scope_candidate_parse(cases[i].text, &normal, &error), ==, cases[i].kind);
        g_assert_true((cases[i].kind == SCOPE_CANDIDATE_KIND_INVALID) == (error != NULL));
        if (cases[i].words != NULL) {
            g_assert_nonnull(strstr(error->message, cases[i].words));
        }
        g_assert_true(normal == NULL || g_str_has_prefix(normal, "candidate:"));
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/sdp/browser-offer", test_browser_offer);
    g_test_add_func("/sdp/h264", test_h264);
    g_test_add_func("/sdp/directions", test_directions);
    g_test_add_func("/sdp/bad-offers", test_bad_offers);
    g_test_add_func("/sdp/no-common-codec", test_no_common_codec);
    g_test_add_func("/sdp/limits", test_limits);
    g_test_add_func("/sdp/mutations", test_mutations);
    g_test_add_func("/sdp/answer", test_answer);
    g_test_add_func("/candidate/texts", test_candidates);
    return g_test_run();
}
