/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes pictures to a file: H.264 in MP4, raw video (y4m), or a folder of PNG files. What is
 * written bears a temporary name until it is complete, so that no half file is left behind.
 */
#ifndef SCOPE_MEDIA_WRITER_H
#define SCOPE_MEDIA_WRITER_H

#include "core/scope-frame.h"

G_BEGIN_DECLS

/** ScopeMediaWriter: opaque; used by one thread at a time. */
typedef struct _ScopeMediaWriter ScopeMediaWriter;

/**
 * scope_media_writer_open:
 * @path: ends with `.mp4`, `.y4m`, or with `/` (a folder of `frame-000001.png` and so on)
 * @fps: rate where the times of the pictures do not tell it
 * @error: (nullable) set on failure
 *
 * Looks whether @path can be written; the file begins with the first picture. A file that is there
 * is replaced at the end; a folder must be empty or not there.
 *
 * Thread: any. Errors: SCOPE_MEDIA_ERROR_UNSUPPORTED for another ending, G_FILE_ERROR.
 * Returns: (transfer full) the writer, or NULL with @error set.
 */
ScopeMediaWriter *scope_media_writer_open(const char *path, gdouble fps, GError **error);

/**
 * scope_media_writer_push:
 * @writer: borrowed
 * @frame: borrowed; any format and size. The first one decides the size of the video, later ones
 *   are resized to it
 * @error: (nullable) set on failure
 *
 * Appends a picture. Its pts_us, if set, counts from the first one; MP4 keeps it, the others are at
 * the rate of the first two pictures.
 *
 * Thread: the user's. Blocks: while the encoder is behind.
 * Errors: SCOPE_MEDIA_ERROR_MISSING_ELEMENT, SCOPE_MEDIA_ERROR_FAILED, G_FILE_ERROR.
 * Returns: TRUE, or FALSE with @error set; the writer can then only be freed.
 */
gboolean scope_media_writer_push(ScopeMediaWriter *writer, ScopeFrame *frame, GError **error);

/**
 * scope_media_writer_finish:
 * @writer: borrowed
 * @error: (nullable) set on failure
 *
 * Writes the end and gives the file its name.
 *
 * Thread: the user's. Blocks: until it is on disk. Errors: as scope_media_writer_push(), and
 * SCOPE_MEDIA_ERROR_FAILED when there was no picture.
 * Returns: TRUE, or FALSE with @error set.
 */
gboolean scope_media_writer_finish(ScopeMediaWriter *writer, GError **error);

/**
 * scope_media_writer_free:
 * @writer: (nullable)
 *
 * Without a successful finish everything that was written is removed.
 *
 * Thread: the user's. Errors: none. Returns: nothing.
 */
void scope_media_writer_free(ScopeMediaWriter *writer);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ScopeMediaWriter, scope_media_writer_free)

G_END_DECLS

#endif
