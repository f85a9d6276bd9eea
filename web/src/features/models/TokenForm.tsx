// SPDX-License-Identifier: Apache-2.0
// Where to enter a Hugging Face token when a download wants one. The server keeps it; it is never
// shown again.
import { ExternalLink } from 'lucide-react';
import { useState } from 'react';
import { storeToken } from '../../state/preflight';
import { Button } from '../../ui/Button';

export function TokenForm() {
  const [token, setToken] = useState('');
  return (
    <form
      className="flex flex-wrap items-center gap-2"
      onSubmit={(event) => {
        event.preventDefault();
        void storeToken(token).then((stored) => stored && setToken(''));
      }}
    >
      <input
        type="password"
        aria-label="Hugging Face token"
        placeholder="hf_…"
        autoComplete="off"
        data-testid="token-input"
        value={token}
        onChange={(event) => setToken(event.target.value)}
        className="h-8 min-w-40 flex-1 rounded-lg border border-line bg-canvas px-2.5 placeholder:text-muted hover:border-line-strong max-lg:h-10"
      />
      <Button type="submit" disabled={token.trim() === ''}>
        Save and retry
      </Button>
      <a
        href="https://huggingface.co/settings/tokens"
        target="_blank"
        rel="noreferrer"
        className="inline-flex items-center gap-1 text-xs text-accent underline-offset-2 hover:underline"
      >
        Get a token <ExternalLink size={11} aria-hidden />
      </a>
    </form>
  );
}
