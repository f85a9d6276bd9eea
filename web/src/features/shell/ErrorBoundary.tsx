// SPDX-License-Identifier: Apache-2.0
// Keeps a crash inside its region: the rest of the page and the stream go on.
import { Component, type ReactNode } from 'react';
import { Button } from '../../ui/Button';

interface Props {
  region: string;
  children: ReactNode;
}

export class ErrorBoundary extends Component<Props, { message: string | null }> {
  override state: { message: string | null } = { message: null };

  static getDerivedStateFromError(error: unknown): { message: string } {
    return { message: error instanceof Error ? error.message : String(error) };
  }

  override render(): ReactNode {
    if (this.state.message === null) return this.props.children;
    return (
      <div role="alert" className="flex flex-col items-start gap-3 p-4">
        <p className="font-medium">{this.props.region} stopped working</p>
        <p className="text-xs break-words text-muted">{this.state.message}</p>
        <Button onClick={() => this.setState({ message: null })}>Reload panel</Button>
      </div>
    );
  }
}
