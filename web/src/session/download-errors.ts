// SPDX-License-Identifier: Apache-2.0
// What to do about a download that failed, from the server's text. Pure functions.

export interface DownloadRemedy {
  /** `token`: the model wants an account's token. */
  kind: 'token' | 'disk' | 'missing' | 'busy' | 'network';
  text: string;
}

export function downloadRemedy(reason: string, folder: string | null): DownloadRemedy {
  const where = folder ? ` in ${folder}` : '';
  if (/\b40[13]\b|unauthori[sz]ed|forbidden|gated|token|hugging ?face key/i.test(reason)) {
    return {
      kind: 'token',
      text: 'Accept the licence on the page of the model, then enter a Hugging Face token with read access.',
    };
  }
  if (/no space|disk (is )?full|enospc|quota|not enough (free )?(disk )?space/i.test(reason)) {
    return { kind: 'disk', text: `Free some space${where}, then try again: it goes on where it stopped.` };
  }
  if (/\b404\b|not found/i.test(reason)) {
    return { kind: 'missing', text: 'The file is not at its address any more. Look for an update of the server.' };
  }
  if (/\b429\b|too many requests/i.test(reason)) {
    return { kind: 'busy', text: 'The host asks to wait. Try again in a few minutes, or enter a token.' };
  }
  return {
    kind: 'network',
    text: 'Check the connection of the server, then try again: it goes on where it stopped.',
  };
}
