/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small pictures of image and video files for lists.
 */
#ifndef SCOPE_THUMBNAIL_H
#define SCOPE_THUMBNAIL_H

#include <gio/gio.h>

#include "core/scope-frame.h"

G_BEGIN_DECLS

/**
 * ScopeImageFormat:
 * @SCOPE_IMAGE_FORMAT_JPEG: image/jpeg
 * @SCOPE_IMAGE_FORMAT_PNG: image/png
 */
typedef enum {
    SCOPE_IMAGE_FORMAT_JPEG = 0,
    SCOPE_IMAGE_FORMAT_PNG,
} ScopeImageFormat;

/**
 * scope_thumbnail_make:
 * @path: of an image or video; of a video a picture near its start is taken
 * @max_edge_px: the longer edge of the result; pictures are never enlarged
 * @format: of the result
 * @error: (nullable) set on failure
 *
 * Thread: any but main. Blocks: a few seconds at most. Errors: as scope_media_file_open.
 * Returns: (transfer full) the encoded picture, or NULL with @error set.
 */
GBytes *scope_thumbnail_make(const char *path, guint max_edge_px, ScopeImageFormat format,
                             GError **error);

/**
 * scope_thumbnail_make_async:
 * @path: as for scope_thumbnail_make, copied
 * @max_edge_px: as there
 * @format: as there
 * @cancellable: (nullable)
 * @callback: called once, on the caller's main context
 * @user_data: for @callback
 *
 * The same on a helper thread. Finish with scope_thumbnail_make_finish.
 *
 * Thread: main. Errors: through the finish function. Returns: nothing.
 */
void scope_thumbnail_make_async(const char *path, guint max_edge_px, ScopeImageFormat format,
                                GCancellable *cancellable, GAsyncReadyCallback callback,
                                gpointer user_data);

/**
 * scope_thumbnail_make_finish:
 * @result: what the callback was given
 * @error: (nullable) set on failure
 *
 * Thread: main. Errors: as scope_thumbnail_make, G_IO_ERROR_CANCELLED.
 * Returns: (transfer full) the encoded picture, or NULL with @error set.
 */
GBytes *scope_thumbnail_make_finish(GAsyncResult *result, GError **error);

/**
 * scope_image_encode:
 * @frame: borrowed, any format
 * @format: of the result
 * @error: (nullable) set on failure
 *
 * Thread: any but main. Blocks: until it is encoded. Errors: SCOPE_MEDIA_ERROR_FAILED.
 * Returns: (transfer full) the encoded picture in native size, or NULL with @error set.
 */
GBytes *scope_image_encode(ScopeFrame *frame, ScopeImageFormat format, GError **error);

G_END_DECLS

#endif
