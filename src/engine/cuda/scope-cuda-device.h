/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The calls of the CUDA runtime that the backend makes, as plain functions: the tests put a
 * stand-in in their place. Each returns 0, or a negative code for scope_cuda_device_describe().
 *
 * Thread: any; scope_cuda_device_use() is for the calling thread.
 */
#pragma once

#include <glib.h>

#include "engine/scope-backend-module.h"

G_BEGIN_DECLS

/** Fills state, reason, versions and devices of @ret_probe. */
void scope_cuda_device_probe(ScopeDeviceProbe *ret_probe);

/** (transfer none): text of a code. */
const char *scope_cuda_device_describe(int code);
/** Whether @code only says that memory was short. Every other one ends the device's context. */
gboolean scope_cuda_device_is_full(int code);

/** Devices and their memory: make device @index current, take and return memory, count what is
 * free. */
int scope_cuda_device_use(int index);
int scope_cuda_device_alloc(void **ret_data, size_t n_bytes);
void scope_cuda_device_free(void *data, size_t n_bytes);
int scope_cuda_device_get_free(uint64_t *ret_free);

/** Pinned host memory. */
int scope_cuda_host_alloc(void **ret_data, size_t n_bytes);
void scope_cuda_host_free(void *data);

/** Streams: a queue of work; synchronize waits for all of it. */
int scope_cuda_stream_create(void **ret_stream);
void scope_cuda_stream_destroy(void *stream);
int scope_cuda_stream_synchronize(void *stream);

/** Events: a mark in a queue that the host can wait for. */
int scope_cuda_event_create(void **ret_event);
void scope_cuda_event_destroy(void *event);
int scope_cuda_event_record(void *event, void *stream);
int scope_cuda_event_synchronize(void *event);

/** Copies, queued; host memory must be pinned and stay until the copy is done. */
int scope_cuda_copy_to_device(void *dst, const void *src, size_t n_bytes, void *stream);
int scope_cuda_copy_to_host(void *dst, const void *src, size_t n_bytes, void *stream);

/** Graphs: what is queued between begin and end is recorded; launch queues the record. */
int scope_cuda_graph_begin(void *stream);
int scope_cuda_graph_end(void *stream, void **ret_graph);
int scope_cuda_graph_launch(void *graph, void *stream);
void scope_cuda_graph_destroy(void *graph);

G_END_DECLS
