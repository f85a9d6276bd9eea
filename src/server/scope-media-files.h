/* SPDX-License-Identifier: Apache-2.0 */
/* Which files in the user's folders are what, by extension, and how a folder is scanned for them.
 */
#ifndef SCOPE_MEDIA_FILES_H
#define SCOPE_MEDIA_FILES_H

#include <sys/stat.h>

#include <glib.h>

G_BEGIN_DECLS

/** SCOPE_MEDIA_FILES_EXTENSIONS: what may be uploaded, for people. */
#define SCOPE_MEDIA_FILES_EXTENSIONS                                                               \
    ".png, .jpg, .jpeg, .webp, .bmp, .mp4, .avi, .mov, .mkv, .webm, .wav, .mp3, .flac, .ogg"

/** scope_media_files_get_type: (nullable): `image`, `video` or `audio` by extension. Thread: any.
 */
const char *scope_media_files_get_type(const char *name);

/** scope_media_files_get_content_type: static content type by extension. Thread: any. */
const char *scope_media_files_get_content_type(const char *name);

/** scope_media_files_dup_stem: (transfer full): file name without extension. Thread: any. */
char *scope_media_files_dup_stem(const char *relative);

/** scope_media_files_dup_folder: (transfer full) (nullable): %NULL at the root. Thread: any. */
char *scope_media_files_dup_folder(const char *relative);

/** scope_media_files_get_mib: @n_bytes in MiB with two decimals. Thread: any. */
gdouble scope_media_files_get_mib(gint64 n_bytes);

/**
 * ScopeMediaFilesLinks: what happens with symbolic links.
 * @SCOPE_MEDIA_FILES_INSIDE: followed when they stay inside the folder
 * @SCOPE_MEDIA_FILES_FOLLOW: followed
 */
typedef enum {
    SCOPE_MEDIA_FILES_INSIDE = 0,
    SCOPE_MEDIA_FILES_FOLLOW,
} ScopeMediaFilesLinks;

/** ScopeMediaFilesFunc: one regular file, @relative to @root. Thread: that of the scan. */
typedef void (*ScopeMediaFilesFunc)(const char *root, const char *relative, const struct stat *info,
                                    gpointer user_data);

/**
 * scope_media_files_scan:
 * @root: absolute folder; a missing one is empty
 * @links: what happens with symbolic links
 * @func: called for every regular file that is not hidden
 * @user_data: for @func
 *
 * Thread: a pool thread. Blocks: reads folders.
 * Errors: none; what cannot be read is left out.
 */
void scope_media_files_scan(const char *root, ScopeMediaFilesLinks links, ScopeMediaFilesFunc func,
                            gpointer user_data);

G_END_DECLS

#endif
