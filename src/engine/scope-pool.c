/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The thread pool: a job is a counter of tiles. A job is finished when all its tiles are done, not
 * when all workers have seen it, so a worker whose core is busy elsewhere delays nobody but the one
 * tile that it holds.
 *
 * Every job has a sequence number that is packed with the tile counter into one 64-bit word: a
 * late worker that still looks at an old job fails its compare-and-swap and takes nothing.
 * Lock order: run_lock, then lock. Workers take only lock.
 */
#include "engine/scope-pool.h"

#include <gio/gio.h>
#include <pthread.h>
#include <stdatomic.h>

#include "engine/scope-assert.h"

#define MAX_THREADS 64
#define TILE_BITS   32
#define TILE_MASK   ((UINT64_C(1) << TILE_BITS) - 1)
#define SPIN_ROUNDS 2000 /* a few tens of microseconds */

typedef struct {
    ScopePool *pool;
    pthread_t thread;
    int index;
} Worker;

struct _ScopePool {
    int n_threads;
    Worker workers[MAX_THREADS];
    int n_started;

    pthread_mutex_t run_lock; /* held by the caller of a run: one job at a time */
    pthread_mutex_t lock;     /* guards the two conditions and stopping */
    pthread_cond_t wake;      /* workers wait here for a new sequence number */
    pthread_cond_t done;      /* the caller waits here for the last tile */
    int n_sleeping;
    gboolean stopping;

    /* high half: job number, low half: next tile; the job fields are written before it */
    _Atomic uint64_t ticket;
    _Atomic int64_t n_tiles;
    _Atomic(ScopeTileFn) fn;
    _Atomic(void *) user_data;
    _Atomic int64_t n_done;
};

static inline void
cpu_relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

/* Takes tiles of job number @seq until none is left or the job is over. */
static void
work_on(ScopePool *pool, uint64_t seq, int thread_index)
{
    uint64_t ticket = atomic_load(&pool->ticket);
    while ((ticket >> TILE_BITS) == seq) {
        int64_t n_tiles = atomic_load(&pool->n_tiles);
        ScopeTileFn fn = atomic_load(&pool->fn);
        void *user_data = atomic_load(&pool->user_data);
        int64_t tile = (int64_t)(ticket & TILE_MASK);
        if (tile >= n_tiles) {
            return;
        }
        /* success proves that the fields read above belong to this job */
        if (!atomic_compare_exchange_weak(&pool->ticket, &ticket, ticket + 1)) {
            continue;
        }
        fn(tile, thread_index, user_data);
        if (atomic_fetch_add(&pool->n_done, 1) + 1 == n_tiles && thread_index != 0) {
            pthread_mutex_lock(&pool->lock);
            pthread_cond_signal(&pool->done);
            pthread_mutex_unlock(&pool->lock);
        }
        ticket = atomic_load(&pool->ticket);
    }
}

static gboolean
wait_for_job(ScopePool *pool, uint64_t *seq)
{
    for (int i = 0; i < SPIN_ROUNDS; i++) {
        uint64_t now = atomic_load_explicit(&pool->ticket, memory_order_acquire) >> TILE_BITS;
        if (now != *seq) {
            *seq = now;
            return TRUE;
        }
        cpu_relax();
    }
    pthread_mutex_lock(&pool->lock);
    pool->n_sleeping++;
    while (!pool->stopping && (atomic_load(&pool->ticket) >> TILE_BITS) == *seq) {
        pthread_cond_wait(&pool->wake, &pool->lock);
    }
    pool->n_sleeping--;
    gboolean go_on = !pool->stopping;
    pthread_mutex_unlock(&pool->lock);
    *seq = atomic_load(&pool->ticket) >> TILE_BITS;
    return go_on;
}

static void *
worker_main(void *data)
{
    Worker *worker = data;
    char name[16];
    g_snprintf(name, sizeof name, "scope-pool-%d", worker->index);
    pthread_setname_np(pthread_self(), name);
    uint64_t seq = 0;
    while (wait_for_job(worker->pool, &seq)) {
        work_on(worker->pool, seq, worker->index);
    }
    return NULL;
}

ScopePool *
scope_pool_create(int n_threads, GError **error)
{
    g_return_val_if_fail(n_threads >= 1 && n_threads <= MAX_THREADS, NULL);
    ScopePool *pool = g_new0(ScopePool, 1);
    pool->n_threads = n_threads;
    pthread_mutex_init(&pool->run_lock, NULL);
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->wake, NULL);
    pthread_cond_init(&pool->done, NULL);
    for (int i = 1; i < n_threads; i++) {
        Worker *worker = &pool->workers[i];
        worker->pool = pool;
        worker->index = i;
        int rc = pthread_create(&worker->thread, NULL, worker_main, worker);
        if (rc != 0) {
            g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED, "starting worker thread %d of %d: %s",
                        i, n_threads, g_strerror(rc));
            scope_pool_destroy(pool);
            return NULL;
        }
        pool->n_started = i;
    }
    return pool;
}

void
scope_pool_destroy(ScopePool *pool)
{
    if (!pool) {
        return;
    }
    pthread_mutex_lock(&pool->lock);
    pool->stopping = TRUE;
    pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->lock);
    for (int i = 1; i <= pool->n_started; i++) {
        pthread_join(pool->workers[i].thread, NULL);
    }
    pthread_cond_destroy(&pool->done);
    pthread_cond_destroy(&pool->wake);
    pthread_mutex_destroy(&pool->lock);
    pthread_mutex_destroy(&pool->run_lock);
    g_free(pool);
}

int
scope_pool_get_n_threads(const ScopePool *pool)
{
    return pool->n_threads;
}

/* Waits for tiles that other threads still hold. */
static void
wait_until_done(ScopePool *pool, int64_t n_tiles)
{
    for (int i = 0; i < SPIN_ROUNDS; i++) {
        if (atomic_load(&pool->n_done) == n_tiles) {
            return;
        }
        cpu_relax();
    }
    pthread_mutex_lock(&pool->lock);
    while (atomic_load(&pool->n_done) != n_tiles) {
        pthread_cond_wait(&pool->done, &pool->lock);
    }
    pthread_mutex_unlock(&pool->lock);
}

void
scope_pool_run(ScopePool *pool, int64_t n_tiles, ScopeTileFn fn, void *user_data)
{
    SCOPE_ASSERT(n_tiles >= 0 && n_tiles < (int64_t)TILE_MASK / 2);
    if (pool->n_threads == 1 || n_tiles <= 1) {
        for (int64_t tile = 0; tile < n_tiles; tile++) {
            fn(tile, 0, user_data);
        }
        return;
    }
    pthread_mutex_lock(&pool->run_lock);
    uint64_t old_seq = atomic_load(&pool->ticket) >> TILE_BITS;
    uint64_t seq = (old_seq + 1) & TILE_MASK;
    /* closes the old job for late workers before its fields are overwritten */
    atomic_store(&pool->ticket, (old_seq << TILE_BITS) | TILE_MASK);
    atomic_store(&pool->n_done, 0);
    atomic_store(&pool->n_tiles, n_tiles);
    atomic_store(&pool->fn, fn);
    atomic_store(&pool->user_data, user_data);
    atomic_store(&pool->ticket, seq << TILE_BITS);
    pthread_mutex_lock(&pool->lock);
    if (pool->n_sleeping > 0) {
        pthread_cond_broadcast(&pool->wake);
    }
    pthread_mutex_unlock(&pool->lock);
    work_on(pool, seq, 0);
    wait_until_done(pool, n_tiles);
    pthread_mutex_unlock(&pool->run_lock);
}
