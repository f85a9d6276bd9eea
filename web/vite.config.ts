// SPDX-License-Identifier: Apache-2.0
// Build and unit-test configuration. The base is relative so that the page works behind any path
// prefix; SCOPE_SERVER points the development server's proxy at a running server.
import react from '@vitejs/plugin-react';
import tailwindcss from '@tailwindcss/vite';
import { defineConfig } from 'vitest/config';

const server = process.env['SCOPE_SERVER'] ?? 'http://127.0.0.1:8000';

export default defineConfig({
  base: './',
  plugins: [react(), tailwindcss()],
  build: { target: 'es2022', assetsInlineLimit: 2048, sourcemap: false },
  worker: { format: 'es' },
  server: {
    host: '127.0.0.1',
    proxy: { '/api': server, '/health': server },
  },
  test: {
    include: ['test/unit/**/*.test.{ts,tsx}'],
    environment: 'jsdom',
    reporters: ['default'],
  },
});
