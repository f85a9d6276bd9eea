/* SPDX-License-Identifier: Apache-2.0 */
/* The noise of noise.py over flat arrays, for training on the CPU: the same lattice hash and the
 * same formulas, written so that a compiler turns the loops into vector code. Compiled and loaded
 * by native.py; any thread. */
#include <math.h>
#include <stdint.h>

#define MASK 0x7FFFFFFFu

static inline uint32_t
lattice_hash(int32_t x, int32_t y, int32_t z, uint32_t seed)
{
    uint32_t h = ((uint32_t)x * 374761393u + (uint32_t)y * 668265263u + (uint32_t)z * 1440662683u +
                  seed * 1274126177u) &
                 MASK;
    h = ((h ^ (h >> 13)) * 1103515245u) & MASK;
    h = ((h ^ (h >> 16)) * 1597334677u) & MASK;
    return h ^ (h >> 15);
}

static inline float
lattice_random(int32_t x, int32_t y, int32_t z, uint32_t seed)
{
    return (float)lattice_hash(x, y, z, seed) / (float)MASK;
}

/* sin(2 pi r) for -0.25 <= r <= 0.25, error below 1e-6. */
static inline float
quarter_sine(float r)
{
    float a = r * 6.2831853f, b = a * a;

    return a * (0.99999660f + b * (-0.16664824f + b * (0.00830629f + b * -0.00018363f)));
}

static inline float
sine(float r) /* of 2 pi r */
{
    r -= rintf(r);
    float far = copysignf(0.5f, r) - r;
    return quarter_sine(fabsf(r) > 0.25f ? far : r);
}

static inline float
cosine(float r)
{
    r -= rintf(r);
    return quarter_sine(0.25f - fabsf(r));
}

static inline float
corner(int32_t x, int32_t y, int32_t z, float fx, float fy, float fz, uint32_t seed)
{
    uint32_t h = lattice_hash(x, y, z, seed);
    float turn = (float)(int32_t)(h & 0xFFFF) * (1.0f / 65536.0f);
    float height = (float)(int32_t)((h >> 16) & 0x7FF) * (2.0f / 2047.0f) - 1.0f;
    float flat = sqrtf(fmaxf(1.0f - height * height, 0.0f));

    return cosine(turn) * flat * fx + sine(turn) * flat * fy + height * fz;
}

static inline float
fade(float f)
{
    return f * f * f * (f * (f * 6.0f - 15.0f) + 10.0f);
}

static inline float
mix(float a, float b, float f)
{
    return a + (b - a) * f;
}

static inline float
gradient(float x, float y, float z, uint32_t seed)
{
    float x0 = floorf(x), y0 = floorf(y), z0 = floorf(z);
    float fx = x - x0, fy = y - y0, fz = z - z0;
    int32_t xi = (int32_t)x0, yi = (int32_t)y0, zi = (int32_t)z0;
    float u = fade(fx), v = fade(fy), w = fade(fz);
    float a = mix(corner(xi, yi, zi, fx, fy, fz, seed),
                  corner(xi + 1, yi, zi, fx - 1.0f, fy, fz, seed), u);
    float b = mix(corner(xi, yi + 1, zi, fx, fy - 1.0f, fz, seed),
                  corner(xi + 1, yi + 1, zi, fx - 1.0f, fy - 1.0f, fz, seed), u);
    float c = mix(corner(xi, yi, zi + 1, fx, fy, fz - 1.0f, seed),
                  corner(xi + 1, yi, zi + 1, fx - 1.0f, fy, fz - 1.0f, seed), u);
    float d = mix(corner(xi, yi + 1, zi + 1, fx, fy - 1.0f, fz - 1.0f, seed),
                  corner(xi + 1, yi + 1, zi + 1, fx - 1.0f, fy - 1.0f, fz - 1.0f, seed), u);

    return mix(mix(a, b, v), mix(c, d, v), w) * 1.6f;
}

void
world_gradient(const float *x, const float *y, const float *z, float *out, int64_t n, uint32_t seed)
{
#pragma GCC ivdep
    for (int64_t i = 0; i < n; i++) {
        out[i] = gradient(x[i], y[i], z[i], seed);
    }
}

void
world_fbm(const float *x, const float *y, const float *z, float *out, int64_t n, uint32_t seed,
          int octaves, float gain)
{
    float weight = 1.0f, norm = 0.0f;
    float scale = 1.0f, ax = 0.0f, ay = 0.0f, scale_z = 1.0f, az = 0.0f;

    for (int octave = 0; octave < octaves; octave++) {
        uint32_t s = seed + (uint32_t)octave * 101u;
#pragma GCC ivdep
        for (int64_t i = 0; i < n; i++) {
            float value =
                weight * gradient(x[i] * scale + ax, y[i] * scale + ay, z[i] * scale_z + az, s);
            out[i] = octave == 0 ? value : out[i] + value;
        }
        norm += weight;
        weight *= gain;
        scale *= 2.03f;
        ax = ax * 2.03f + 17.1f;
        ay = ay * 2.03f - 9.7f;
        scale_z *= 1.4f;
        az = az * 1.4f + 3.3f;
    }
    for (int64_t i = 0; i < n; i++) {
        out[i] /= norm;
    }
}

void
world_ridged(const float *x, const float *y, const float *z, float *out, int64_t n, uint32_t seed,
             int octaves)
{
    float weight = 1.0f, norm = 0.0f;
    float scale = 1.0f, ax = 0.0f, ay = 0.0f, scale_z = 1.0f;

    for (int octave = 0; octave < octaves; octave++) {
        uint32_t s = seed + (uint32_t)octave * 57u;
#pragma GCC ivdep
        for (int64_t i = 0; i < n; i++) {
            float crest =
                1.0f - fabsf(gradient(x[i] * scale + ax, y[i] * scale + ay, z[i] * scale_z, s));
            float value = weight * crest * crest;
            out[i] = octave == 0 ? value : out[i] + value;
        }
        norm += weight;
        weight *= 0.5f;
        scale *= 2.1f;
        ax = ax * 2.1f + 5.2f;
        ay = ay * 2.1f + 1.3f;
        scale_z *= 1.3f;
    }
    for (int64_t i = 0; i < n; i++) {
        out[i] /= norm;
    }
}

void
world_cells(const float *x, const float *y, const float *z, float *ret_first, float *ret_second,
            float *ret_label, int64_t n, uint32_t seed)
{
#pragma GCC ivdep
    for (int64_t i = 0; i < n; i++) {
        float x0 = floorf(x[i]), y0 = floorf(y[i]), first = 9.0f, second = 9.0f, label = 0.0f;
        for (int k = 0; k < 9; k++) {
            float cx = x0 + (float)(k % 3 - 1), cy = y0 + (float)(k / 3 - 1);
            float a = lattice_random((int32_t)cx, (int32_t)cy, 0, seed);
            float b = lattice_random((int32_t)cx, (int32_t)cy, 0, seed + 71u);
            float px = cx + 0.5f + 0.42f * sine(z[i] * (0.6f + a) * 0.15915494f + a);
            float py = cy + 0.5f + 0.42f * cosine(z[i] * (0.6f + b) * 0.15915494f + b);
            float d = sqrtf((x[i] - px) * (x[i] - px) + (y[i] - py) * (y[i] - py));
            second = d < first ? first : fminf(second, d);
            label = d < first ? a : label;
            first = fminf(first, d);
        }
        ret_first[i] = first;
        ret_second[i] = second;
        ret_label[i] = label;
    }
}

void
world_sprites(const float *x, const float *y, const float *t, float *out, int64_t n, uint32_t seed,
              float size, float twinkle)
{
#pragma GCC ivdep
    for (int64_t i = 0; i < n; i++) {
        int32_t x0 = (int32_t)floorf(x[i]), y0 = (int32_t)floorf(y[i]);
        float light = 0.0f;
        for (int k = 0; k < 9; k++) {
            int32_t cx = x0 + k % 3 - 1, cy = y0 + k / 3 - 1;
            float a = lattice_random(cx, cy, 0, seed + 3u);
            float b = lattice_random(cx, cy, 0, seed + 5u);
            float c = lattice_random(cx, cy, 0, seed + 9u);
            float dx = x[i] - (float)cx - a, dy = y[i] - (float)cy - b;
            float radius = size * (0.4f + 1.2f * c);
            float wave = 0.5f + 0.5f * sine(t[i] * (2.0f + 5.0f * a) * 0.15915494f + b);
            light += (1.0f - twinkle * wave) * c * expf(-(dx * dx + dy * dy) / (radius * radius));
        }
        out[i] = light;
    }
}
