// SPDX-License-Identifier: Apache-2.0
// Joins class names, leaving out what is false.
export function cn(...parts: (string | false | null | undefined)[]): string {
  return parts.filter(Boolean).join(' ');
}
