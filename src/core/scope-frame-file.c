/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames as records: a head of fixed size, then the rows of each plane without padding. A record is
 * one write() to a file opened for appending. The writer owns its buffer; a reader maps the file.
 */
#include "core/scope-frame-file.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <string.h>
#include <unistd.h>

#include "core/scope-error.h"
#include "core/scope-frame.h"

#define MAGIC      "SCOPEFRM"
#define MAX_PLANES 3

/* In the byte order of the machine: a replay needs the same kernels anyway. */
typedef struct {
    char magic[8];
    guint32 format;
    guint32 width;
    guint32 height;
    guint32 zero;
    gint64 pts_us;
} Head;

struct _ScopeFrameWriter {
    char *path;
    int fd;
    GByteArray *record;
};

struct _ScopeFrameFile {
    GMappedFile *map;
    GArray *offsets; /* of gsize: where records begin */
};

/* Bytes of a row and rows of a plane; 0 planes for a format that is none. */
static guint
measure(guint32 format, guint32 width, guint32 height, gsize ret_row[MAX_PLANES],
        guint32 ret_rows[MAX_PLANES])
{
    if (format == SCOPE_FRAME_FORMAT_RGB24) {
        ret_row[0] = (gsize)width * 3;
        ret_rows[0] = height;
        return 1;
    }
    if (format != SCOPE_FRAME_FORMAT_I420)
        return 0;
    for (guint i = 0; i < MAX_PLANES; i++) {
        ret_row[i] = i == 0 ? width : (width + 1) / 2;
        ret_rows[i] = i == 0 ? height : (height + 1) / 2;
    }
    return MAX_PLANES;
}

/* -- Writing --------------------------------------------------------------------------------- */

static void
set_error(GError **error, const char *what, const char *path)
{
    int code = errno;

    g_set_error(error, G_FILE_ERROR, (gint)g_file_error_from_errno(code), "%s %s: %s", what, path,
                g_strerror(code));
}

ScopeFrameWriter *
scope_frame_writer_open(const char *path, GError **error)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
    ScopeFrameWriter *self;

    if (fd < 0) {
        set_error(error, "Creating", path);
        return NULL;
    }
    self = g_new0(ScopeFrameWriter, 1);
    self->path = g_strdup(path);
    self->fd = fd;
    self->record = g_byte_array_new();
    return self;
}

gboolean
scope_frame_writer_push(ScopeFrameWriter *self, const ScopeFrame *frame, GError **error)
{
    const Head head = {.magic = MAGIC,
                       .format = (guint32)frame->format,
                       .width = frame->width,
                       .height = frame->height,
                       .pts_us = frame->pts_us};
    gsize row[MAX_PLANES], done = 0;
    guint32 rows[MAX_PLANES];
    guint n_planes = measure(head.format, head.width, head.height, row, rows);

    g_byte_array_set_size(self->record, 0);
    g_byte_array_append(self->record, (const guint8 *)&head, sizeof head);
    for (guint p = 0; p < n_planes; p++) {
        for (guint32 y = 0; y < rows[p]; y++)
            g_byte_array_append(self->record, frame->data[p] + (gsize)y * frame->stride[p],
                                (guint)row[p]);
    }
    while (done < self->record->len) {
        gssize n = write(self->fd, self->record->data + done, self->record->len - done);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            set_error(error, "Writing", self->path);
            return FALSE;
        }
        done += (gsize)n;
    }
    return TRUE;
}

void
scope_frame_writer_close(ScopeFrameWriter *self)
{
    if (self == NULL)
        return;
    close(self->fd);
    g_byte_array_unref(self->record);
    g_free(self->path);
    g_free(self);
}

/* -- Reading --------------------------------------------------------------------------------- */

/* The size of the record at @data, of which @n_left bytes are there; 0 = cut off, or with *@problem
 * set not a record. */
static gsize
measure_record(const char *data, gsize n_left, const char **problem)
{
    gsize row[MAX_PLANES], size = sizeof(Head);
    guint32 rows[MAX_PLANES];
    guint n_planes;
    Head head;

    if (n_left < sizeof head)
        return 0;
    memcpy(&head, data, sizeof head);
    n_planes = measure(head.format, head.width, head.height, row, rows);
    if (memcmp(head.magic, MAGIC, sizeof head.magic) != 0)
        *problem = "no frame begins there";
    else if (n_planes == 0 || head.zero != 0)
        *problem = "the frame has a format that this program does not know";
    else if (head.width < 1 || head.height < 1 || head.width > SCOPE_FRAME_MAX_DIM ||
             head.height > SCOPE_FRAME_MAX_DIM)
        *problem = "the frame has an impossible size";
    for (guint p = 0; *problem == NULL && p < n_planes; p++)
        size += row[p] * rows[p];
    return *problem == NULL && size <= n_left ? size : 0;
}

ScopeFrameFile *
scope_frame_file_open(const char *path, GError **error)
{
    g_autoptr(ScopeFrameFile) self = g_new0(ScopeFrameFile, 1);
    const char *problem = NULL;
    gsize n_bytes, at = 0, size;

    self->offsets = g_array_new(FALSE, FALSE, sizeof(gsize));
    self->map = g_mapped_file_new(path, FALSE, error);
    if (self->map == NULL)
        return NULL;
    n_bytes = g_mapped_file_get_length(self->map);
    while (at < n_bytes && (size = measure_record(g_mapped_file_get_contents(self->map) + at,
                                                  n_bytes - at, &problem)) > 0) {
        g_array_append_val(self->offsets, at);
        at += size;
    }
    if (problem != NULL) {
        g_set_error(error, SCOPE_CORE_ERROR, SCOPE_CORE_ERROR_INVALID, "%s, byte %zu: %s", path, at,
                    problem);
        return NULL;
    }
    return g_steal_pointer(&self);
}

void
scope_frame_file_close(ScopeFrameFile *self)
{
    if (self == NULL)
        return;
    g_clear_pointer(&self->map, g_mapped_file_unref);
    g_array_unref(self->offsets);
    g_free(self);
}

guint64
scope_frame_file_get_n(const ScopeFrameFile *self)
{
    return self->offsets->len;
}

ScopeFrame *
scope_frame_file_read(const ScopeFrameFile *self, guint64 index)
{
    gsize row[MAX_PLANES];
    guint32 rows[MAX_PLANES];
    const char *from;
    ScopeFrame *frame;
    guint n_planes;
    Head head;

    if (index >= self->offsets->len)
        return NULL;
    from = g_mapped_file_get_contents(self->map) + g_array_index(self->offsets, gsize, index);
    memcpy(&head, from, sizeof head);
    from += sizeof head;
    frame = scope_frame_new((ScopeFrameFormat)head.format, head.width, head.height);
    frame->pts_us = head.pts_us;
    n_planes = measure(head.format, head.width, head.height, row, rows);
    for (guint p = 0; p < n_planes; p++) {
        for (guint32 y = 0; y < rows[p]; y++, from += row[p])
            memcpy(frame->data[p] + (gsize)y * frame->stride[p], from, row[p]);
    }
    return frame;
}
