/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads an offer from an untrusted client before anything else does: checks it, decides what each
 * m-line will carry, and reduces it to what this server speaks, so that webrtcbin only ever sees
 * descriptions of a known shape. Also completes the answer that webrtcbin makes. No state, no
 * threads, no network.
 */
#ifndef SCOPE_SDP_H
#define SCOPE_SDP_H

#include "media/scope-peer.h"

G_BEGIN_DECLS

/** SCOPE_SDP_MAX_MEDIA: the largest number of m-lines of an offer. */
#define SCOPE_SDP_MAX_MEDIA 32

/** SCOPE_SDP_CNAME: how this end names itself in RTCP: not by user and host. */
#define SCOPE_SDP_CNAME "scope"

/** SCOPE_SDP_TWCC_URI: the header extension of transport-wide congestion control. */
#define SCOPE_SDP_TWCC_URI                                                                         \
    "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"

/**
 * ScopeSdpKind:
 * @SCOPE_SDP_KIND_INVALID: never in a parsed offer
 * @SCOPE_SDP_KIND_VIDEO: video over SRTP
 * @SCOPE_SDP_KIND_AUDIO: audio over SRTP
 * @SCOPE_SDP_KIND_DATA: SCTP over DTLS
 */
typedef enum {
    SCOPE_SDP_KIND_INVALID = 0,
    SCOPE_SDP_KIND_VIDEO,
    SCOPE_SDP_KIND_AUDIO,
    SCOPE_SDP_KIND_DATA,
} ScopeSdpKind;

/**
 * ScopeSdpMedia: one m-line of an offer and what becomes of it.
 * @kind: what it carries
 * @mid: its identifier, unique in the offer
 * @codec: chosen video codec, NONE for others
 * @payload: payload type of @codec, or of Opus; -1 when the m-line is rejected or data
 * @profile_level_id: (nullable) of the chosen H.264 payload
 * @twcc_id: header extension id of transport-wide congestion control, 0 when not offered
 * @colour_id: header extension id of the colour space, 0 when not offered
 * @remb: whether the client offers to report its bandwidth (goog-remb)
 * @input: number of the input it is, -1 for none: the client sends and we receive
 * @output: number of the output it is, -1 for none: we send and the client receives
 * @ssrc: RTP source of what we send; set by the peer before the answer is completed
 */
typedef struct {
    ScopeSdpKind kind;
    char *mid;
    ScopeVideoCodec codec;
    int payload;
    char *profile_level_id;
    int twcc_id;
    int colour_id;
    gboolean remb;
    int input;
    int output;
    guint32 ssrc;
} ScopeSdpMedia;

/**
 * ScopeSdpOffer:
 * @media: @n_media entries in the order of the m-lines
 * @n_media: 1..SCOPE_SDP_MAX_MEDIA
 * @n_inputs: video m-lines with an input number
 * @n_outputs: video m-lines with an output number
 * @ufrag: the client's ICE user fragment
 * @candidates: NULL-terminated, those inside the offer, checked
 * @reduced: the offer as webrtcbin shall see it: one payload (and its RTX) per video m-line,
 *   known header extensions only, audio inactive
 */
typedef struct {
    ScopeSdpMedia *media;
    guint n_media;
    guint n_inputs;
    guint n_outputs;
    char *ufrag;
    char **candidates;
    char *reduced;
} ScopeSdpOffer;

/**
 * scope_sdp_offer_parse:
 * @text: untrusted bytes, not necessarily NUL-terminated
 * @n_bytes: length of @text
 * @preferred_codec: chosen where the client offers both
 * @max_outputs: m-lines to send on, at most; later ones get no output
 * @error: (nullable) set on failure
 *
 * Thread: any. Errors: SCOPE_MEDIA_ERROR_SDP, SCOPE_MEDIA_ERROR_LIMIT,
 * SCOPE_MEDIA_ERROR_UNSUPPORTED, each naming the m-line and the attribute.
 * Returns: (transfer full) the offer, or NULL with @error set.
 */
ScopeSdpOffer *scope_sdp_offer_parse(const char *text, gsize n_bytes,
                                     ScopeVideoCodec preferred_codec, guint max_outputs,
                                     GError **error);

/**
 * scope_sdp_offer_free:
 * @offer: (nullable) transfer full
 *
 * Thread: any. Errors: none. Returns: nothing.
 */
void scope_sdp_offer_free(ScopeSdpOffer *offer);

/**
 * scope_sdp_answer_complete:
 * @answer: (nullable) what webrtcbin made, with the candidates gathered so far
 * @offer: what is answered, with the sources of its outputs
 * @error: (nullable) set on failure
 *
 * Adds what webrtcbin leaves out: the end-of-candidates mark on the m-line that carries the
 * transport, the largest message of the data channel, and the stream that an output belongs to.
 *
 * Thread: any. Errors: SCOPE_MEDIA_ERROR_FAILED when @answer cannot be read.
 * Returns: (transfer full) the SDP text for the client, or NULL with @error set.
 */
char *scope_sdp_answer_complete(const char *answer, const ScopeSdpOffer *offer, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ScopeSdpOffer, scope_sdp_offer_free)

G_END_DECLS

#endif
