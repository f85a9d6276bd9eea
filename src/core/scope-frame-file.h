/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file of raw frames: what a session was fed with, so that it can be made again. Frames follow
 * each other as they were, whatever their sizes; see docs/replay.md for the format.
 */
#ifndef SCOPE_FRAME_FILE_H
#define SCOPE_FRAME_FILE_H

#include <scope/scope-frame.h>

G_BEGIN_DECLS

/** ScopeFrameWriter: a file that is written. Opaque. Thread: one at a time. */
typedef struct _ScopeFrameWriter ScopeFrameWriter;

/**
 * scope_frame_writer_open:
 * @path: of the file; replaced when it is there
 * @error: (nullable): set on failure
 *
 * Thread: any. Errors: G_FILE_ERROR. Returns: (transfer full): the writer, or %NULL.
 */
ScopeFrameWriter *scope_frame_writer_open(const char *path, GError **error);

/**
 * scope_frame_writer_push:
 * @frame: any format
 * @error: (nullable): set on failure
 *
 * Thread: one at a time. Blocks: while it writes. Errors: G_FILE_ERROR. A frame that was not
 * written whole is left out by readers. Returns: %TRUE, or %FALSE with @error set.
 */
gboolean scope_frame_writer_push(ScopeFrameWriter *writer, const ScopeFrame *frame, GError **error);

/** scope_frame_writer_close: (nullable): frees @writer. Thread: the last user. */
void scope_frame_writer_close(ScopeFrameWriter *writer);

/** ScopeFrameFile: a file that is read. Opaque, immutable. Thread: any. */
typedef struct _ScopeFrameFile ScopeFrameFile;

/**
 * scope_frame_file_open:
 * @path: of the file
 * @error: (nullable): set on failure
 *
 * A last frame that was cut off, as of a program that was killed, is left out.
 *
 * Thread: any.
 * Errors: G_FILE_ERROR; SCOPE_CORE_ERROR_INVALID, with the place and what is wrong there.
 * Returns: (transfer full): the file, or %NULL.
 */
ScopeFrameFile *scope_frame_file_open(const char *path, GError **error);

/** scope_frame_file_close: (nullable): frees @file. Thread: the last user. */
void scope_frame_file_close(ScopeFrameFile *file);

/** scope_frame_file_get_n: frames in it. Thread: any. */
guint64 scope_frame_file_get_n(const ScopeFrameFile *file);

/** scope_frame_file_read: (transfer full) (nullable): a copy of the frame at @index; %NULL when
 * there are not so many. Thread: any. */
ScopeFrame *scope_frame_file_read(const ScopeFrameFile *file, guint64 index);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ScopeFrameFile, scope_frame_file_close)

G_END_DECLS

#endif
