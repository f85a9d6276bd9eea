// SPDX-License-Identifier: Apache-2.0
// Whether values from outside the page, as of a file, are such as its controls could have made. Pure
// functions.
import { visibleFields, type Field } from './fields';
import { parseNumber } from './numbers';
import { sameValue } from './values';
import type { Mode, PipelineSchema, Values } from '../session/types';

const LIST_MAX = 64;

function isNumberFor(field: Field, value: unknown): boolean {
  return typeof value === 'number' && parseNumber(String(value), field.rules).ok;
}

export function accepts(field: Field, value: unknown): boolean {
  if (value === null) return field.nullable;
  switch (field.kind) {
    case 'toggle':
      return typeof value === 'boolean';
    case 'slider':
    case 'stepper':
      return isNumberFor(field, value);
    case 'select':
      return field.options.some((option) => sameValue(option, value));
    case 'text':
    case 'asset':
      return typeof value === 'string';
    case 'list':
      return Array.isArray(value) && value.length <= LIST_MAX && value.every((item) => isNumberFor(field, item));
    case 'assets':
      return (
        Array.isArray(value) &&
        value.length <= (field.itemsMax ?? LIST_MAX) &&
        value.every((item) => typeof item === 'string')
      );
    case 'json':
      return false;
  }
}

/** The values that fit, and the keys of those that do not. */
export function acceptedValues(
  schema: PipelineSchema,
  mode: Mode,
  values: Values,
): { accepted: Values; refused: string[] } {
  const fields = new Map(visibleFields(schema, mode).map((field) => [field.key, field]));
  const accepted: Values = {};
  const refused: string[] = [];
  for (const [key, value] of Object.entries(values)) {
    const field = fields.get(key);
    if (field && accepts(field, value)) accepted[key] = value;
    else if (value !== null) refused.push(key);
  }
  return { accepted, refused };
}
