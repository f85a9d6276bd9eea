/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lines of a session description, split into sections: the session's own and one per m-line.
 * Knows the syntax of SDP, not what attributes mean.
 */
#ifndef SCOPE_SDP_TEXT_H
#define SCOPE_SDP_TEXT_H

#include <glib.h>

G_BEGIN_DECLS

/** ScopeSdpAttribute: `a=key:value`; @value is empty for a flag. Owned by its text. */
typedef struct {
    const char *key;
    const char *value;
} ScopeSdpAttribute;

/**
 * ScopeSdpSection:
 * @media: (nullable) media type of the m-line, NULL for the session's section
 * @proto: (nullable) transport protocol of the m-line
 * @port: port of the m-line, 0..65535
 * @formats: (nullable) NULL-terminated formats of the m-line
 * @attributes: array of ScopeSdpAttribute in their order
 */
typedef struct {
    const char *media;
    const char *proto;
    guint port;
    char **formats;
    GArray *attributes;
} ScopeSdpSection;

/**
 * ScopeSdpText:
 * @origin: value of the o= line
 * @sections: array of ScopeSdpSection pointers, the session's first
 * @buffer: private, holds the strings
 */
typedef struct {
    const char *origin;
    GPtrArray *sections;
    char *buffer;
} ScopeSdpText;

/**
 * scope_sdp_text_parse:
 * @text: untrusted bytes, not necessarily NUL-terminated
 * @n_bytes: length of @text
 * @error: (nullable) set on failure
 *
 * Thread: any. Errors: SCOPE_MEDIA_ERROR_SDP with the number of the line, SCOPE_MEDIA_ERROR_LIMIT.
 * Returns: (transfer full) the sections, at least two, or NULL with @error set.
 */
ScopeSdpText *scope_sdp_text_parse(const char *text, gsize n_bytes, GError **error);

/**
 * scope_sdp_text_free:
 * @text: (nullable) transfer full
 *
 * Thread: any. Errors: none. Returns: nothing.
 */
void scope_sdp_text_free(ScopeSdpText *text);

/**
 * scope_sdp_section_find:
 * @section: borrowed
 * @key: name of the attribute
 * @nth: which of several, from 0
 *
 * Thread: any. Errors: none.
 * Returns: (nullable) the value, empty for a flag; NULL when there is none.
 */
const char *scope_sdp_section_find(const ScopeSdpSection *section, const char *key, guint nth);

/**
 * scope_sdp_section_find_payload:
 * @section: borrowed
 * @key: name of an attribute whose value starts with a payload type
 * @payload: the payload type
 * @nth: which of several, from 0
 *
 * Thread: any. Errors: none.
 * Returns: (nullable) what follows the payload type; NULL when there is none.
 */
const char *scope_sdp_section_find_payload(const ScopeSdpSection *section, const char *key,
                                           int payload, guint nth);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ScopeSdpText, scope_sdp_text_free)

G_END_DECLS

#endif
