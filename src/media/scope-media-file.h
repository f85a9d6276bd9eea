/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads a video or image file picture by picture. Files come from users, so size and time are
 * bounded and only containers and codecs of media files are followed, never playlists or network
 * addresses inside.
 */
#ifndef SCOPE_MEDIA_FILE_H
#define SCOPE_MEDIA_FILE_H

#include "core/scope-frame.h"

G_BEGIN_DECLS

/** SCOPE_MEDIA_FILE_MAX_PIXELS: the largest picture that is decoded (8192 x 4320). */
#define SCOPE_MEDIA_FILE_MAX_PIXELS (8192u * 4320u)

/** SCOPE_MEDIA_FILE_TIMEOUT_MS: the longest wait for one picture. */
#define SCOPE_MEDIA_FILE_TIMEOUT_MS 5000

/** ScopeMediaFile: opaque; used by one thread at a time. */
typedef struct _ScopeMediaFile ScopeMediaFile;

/**
 * ScopeMediaInfo:
 * @width: in pixels
 * @height: in pixels
 * @duration_us: of a video, 0 for an image or when it is not known
 * @fps: nominal frame rate, 0 for an image or when it varies
 * @is_image: a single picture
 */
typedef struct {
    guint32 width;
    guint32 height;
    gint64 duration_us;
    double fps;
    gboolean is_image;
} ScopeMediaInfo;

/**
 * scope_media_file_open:
 * @path: of the file
 * @format: I420 (BT.601) or RGB24: what scope_media_file_read gives
 * @error: (nullable) set on failure
 *
 * Opens the file and decodes its first picture.
 *
 * Thread: any but main. Blocks: up to SCOPE_MEDIA_FILE_TIMEOUT_MS.
 * Errors: SCOPE_MEDIA_ERROR_CORRUPT (with GStreamer's reason), SCOPE_MEDIA_ERROR_UNSUPPORTED,
 * SCOPE_MEDIA_ERROR_LIMIT (picture too large), SCOPE_MEDIA_ERROR_TIMEOUT, G_FILE_ERROR.
 * Returns: (transfer full) the file, or NULL with @error set.
 */
ScopeMediaFile *scope_media_file_open(const char *path, ScopeFrameFormat format, GError **error);

/**
 * scope_media_file_close:
 * @file: (nullable) transfer full
 *
 * Thread: any but main. Errors: none. Returns: nothing.
 */
void scope_media_file_close(ScopeMediaFile *file);

/**
 * scope_media_file_get_info:
 * @file: borrowed
 *
 * Thread: the user's. Errors: none.
 * Returns: (transfer none) what is known about the file.
 */
const ScopeMediaInfo *scope_media_file_get_info(ScopeMediaFile *file);

/**
 * scope_media_file_read:
 * @file: borrowed
 * @error: (nullable) set on failure
 *
 * The next picture. Its pts_us counts from the start of the file; its size may differ from the one
 * before.
 *
 * Thread: any but main. Blocks: until it is decoded, up to SCOPE_MEDIA_FILE_TIMEOUT_MS.
 * Errors: SCOPE_MEDIA_ERROR_EOF, SCOPE_MEDIA_ERROR_CORRUPT, SCOPE_MEDIA_ERROR_LIMIT,
 * SCOPE_MEDIA_ERROR_TIMEOUT.
 * Returns: (transfer full) the picture, or NULL with @error set.
 */
ScopeFrame *scope_media_file_read(ScopeMediaFile *file, GError **error);

/**
 * scope_media_file_seek:
 * @file: borrowed
 * @position_us: from the start
 *
 * Continues at the key frame before @position_us. Does nothing when the file cannot be sought.
 *
 * Thread: any but main. Errors: none.
 * Returns: TRUE when the next picture comes from there.
 */
gboolean scope_media_file_seek(ScopeMediaFile *file, gint64 position_us);

/**
 * scope_media_probe:
 * @path: of the file
 * @ret_info: filled; untouched on failure
 * @error: (nullable) set on failure
 *
 * Thread: any but main. Blocks: as scope_media_file_open. Errors: as there.
 * Returns: TRUE, or FALSE with @error set.
 */
gboolean scope_media_probe(const char *path, ScopeMediaInfo *ret_info, GError **error);

/**
 * scope_image_load:
 * @path: of an image, or of a video whose first picture is taken
 * @error: (nullable) set on failure
 *
 * Thread: any but main. Blocks: as scope_media_file_open. Errors: as there.
 * Returns: (transfer full) the picture as RGB24 [height, width, 3] u8 in native size, or NULL with
 * @error set.
 */
ScopeFrame *scope_image_load(const char *path, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ScopeMediaFile, scope_media_file_close)

G_END_DECLS

#endif
