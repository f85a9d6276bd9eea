/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checks the text of one ICE candidate (RFC 8839, section 5.1) from an untrusted client.
 */
#ifndef SCOPE_CANDIDATE_H
#define SCOPE_CANDIDATE_H

#include <glib.h>

G_BEGIN_DECLS

/**
 * ScopeCandidateKind:
 * @SCOPE_CANDIDATE_KIND_INVALID: the text is not a candidate
 * @SCOPE_CANDIDATE_KIND_ADDRESS: a candidate with an IP address, to be handed to ICE
 * @SCOPE_CANDIDATE_KIND_NAME: a candidate with a host name (mDNS `.local`)
 * @SCOPE_CANDIDATE_KIND_IGNORED: a valid candidate that is of no use here (TCP active, RTCP
 *   component)
 * @SCOPE_CANDIDATE_KIND_END: empty, the end of the candidates
 */
typedef enum {
    SCOPE_CANDIDATE_KIND_INVALID = 0,
    SCOPE_CANDIDATE_KIND_ADDRESS,
    SCOPE_CANDIDATE_KIND_NAME,
    SCOPE_CANDIDATE_KIND_IGNORED,
    SCOPE_CANDIDATE_KIND_END,
} ScopeCandidateKind;

/**
 * scope_candidate_parse:
 * @text: (nullable) untrusted, with or without `a=` and `candidate:` in front
 * @ret_normal: (out) (transfer full) (nullable): the candidate with `candidate:` in front, NULL
 *   for the END kind; untouched on failure
 * @error: (nullable) set on failure
 *
 * Thread: any. Errors: SCOPE_MEDIA_ERROR_CANDIDATE, naming the field, its value and what is right.
 * Returns: the kind, SCOPE_CANDIDATE_KIND_INVALID with @error set.
 */
ScopeCandidateKind scope_candidate_parse(const char *text, char **ret_normal, GError **error);

G_END_DECLS

#endif
