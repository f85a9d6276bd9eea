/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ScopeWanScheduler: the table that joins timesteps (0..1000) and noise levels of a flow-matching
 * model, and the steps of few-step sampling. Plain data, filled once; the functions on tensors run
 * on the worker thread.
 */
#pragma once

#include "engine/scope-ops.h"

G_BEGIN_DECLS

#define SCOPE_WAN_N_TIMESTEPS 1000

/** ScopeWanScheduler: read-only after scope_wan_scheduler_init(). */
typedef struct {
    double shift;
    float sigmas[SCOPE_WAN_N_TIMESTEPS];    /**< 1 downwards, not quite to 0 */
    float timesteps[SCOPE_WAN_N_TIMESTEPS]; /**< 1000 * sigma */
} ScopeWanScheduler;

/**
 * scope_wan_scheduler_init:
 * @scheduler: caller's memory
 * @shift: > 0; 1 is linear, higher spends more steps at high noise
 *
 * Thread: any. Errors: none. Returns: nothing.
 */
void scope_wan_scheduler_init(ScopeWanScheduler *scheduler, double shift);

/**
 * scope_wan_scheduler_sigma:
 * @t: timestep, 0..1000
 *
 * Thread: any. Errors: none.
 * Returns: noise level of the table's nearest timestep (the first of two), so that of 0 is small
 * but not 0.
 */
double scope_wan_scheduler_sigma(const ScopeWanScheduler *scheduler, double t);

/**
 * scope_wan_scheduler_warp:
 * @t: 0..1000
 *
 * Thread: any. Errors: none.
 * Returns: entry 1000 - t of the timestep table, 0 past its end: a step of a linear list moved by
 * the shift.
 */
double scope_wan_scheduler_warp(const ScopeWanScheduler *scheduler, int t);

/**
 * scope_wan_scheduler_spread:
 * @strength: 0..1: where the list begins
 * @n: number of steps, >= 1
 * @ret_steps: [n]: evenly spread from 1000 * strength to 0, truncated, warped
 *
 * Thread: any. Errors: none. Returns: nothing.
 */
void scope_wan_scheduler_spread(const ScopeWanScheduler *scheduler, double strength, int n,
                                double *ret_steps);

/**
 * scope_wan_scheduler_to_clean:
 * @clean: f32: receives x - sigma(t) * flow; may be @x
 * @x: f32, shape of @clean
 * @flow: f32, shape of @clean
 * @t: timestep of @x
 *
 * Thread: worker. Errors: none. Returns: nothing.
 */
void scope_wan_scheduler_to_clean(const ScopeWanScheduler *scheduler, ScopeContext *ctx,
                                  ScopeTensor clean, ScopeTensor x, ScopeTensor flow, double t);

/**
 * scope_wan_scheduler_to_flow:
 * @flow: f32: receives (x - clean) / sigma(t)
 *
 * The inverse of scope_wan_scheduler_to_clean().
 * Thread: worker. Errors: none. Returns: nothing.
 */
void scope_wan_scheduler_to_flow(const ScopeWanScheduler *scheduler, ScopeContext *ctx,
                                 ScopeTensor flow, ScopeTensor x, ScopeTensor clean, double t);

/**
 * scope_wan_scheduler_add_noise:
 * @noisy: f32: receives (1 - sigma(t)) * clean + sigma(t) * noise; may be @clean
 *
 * Thread: worker. Errors: none. Returns: nothing.
 */
void scope_wan_scheduler_add_noise(const ScopeWanScheduler *scheduler, ScopeContext *ctx,
                                   ScopeTensor noisy, ScopeTensor clean, ScopeTensor noise,
                                   double t);

/**
 * scope_wan_scheduler_euler:
 * @next: f32: receives x + flow * (sigma_next - sigma(t)); may be @x
 * @to_zero: take 0 for the next sigma; it is 0 anyway when @t is the last entry
 *
 * Thread: worker. Errors: none. Returns: nothing.
 */
void scope_wan_scheduler_euler(const ScopeWanScheduler *scheduler, ScopeContext *ctx,
                               ScopeTensor next, ScopeTensor x, ScopeTensor flow, double t,
                               gboolean to_zero);

/** scope_wan_scheduler_is_last: whether @t is the table's last entry. Thread: any. */
gboolean scope_wan_scheduler_is_last(const ScopeWanScheduler *scheduler, double t);

G_END_DECLS
