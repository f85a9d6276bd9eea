// SPDX-License-Identifier: Apache-2.0
// The page: header, three columns (tabs under the video on small screens), logs, status bar.
import * as Tabs from '@radix-ui/react-tabs';
import * as Tooltip from '@radix-ui/react-tooltip';
import { lazy, Suspense, useState, type CSSProperties } from 'react';
import { usePreflight } from '../../state/preflight';
import { useSettings } from '../../state/settings';
import { cn } from '../../ui/cn';
import { Header } from '../header/Header';
import { InputPanel } from '../input/InputPanel';
import { OutputPanel } from '../output/OutputPanel';
import { PromptBox } from '../prompts/PromptBox';
import { SettingsPanel } from '../settings/SettingsPanel';
import { LogPanel } from '../status/LogPanel';
import { StatusBar } from '../status/StatusBar';
import { Toasts } from '../status/Toasts';
import { ColumnHandle } from './ColumnHandle';
import { ErrorBoundary } from './ErrorBoundary';
import { KeyHints } from './KeyHints';
import { ServerGate } from './ServerGate';

// What a first visit does not show comes when it is opened.
const TimelinePanel = lazy(() => import('../timeline/TimelinePanel'));
const StatsPanel = lazy(() => import('../status/StatsPanel'));
const PreflightDialog = lazy(() => import('../models/PreflightDialog'));

const TABS = [
  { value: 'settings', label: 'Settings' },
  { value: 'input', label: 'Input' },
];

function Columns() {
  const { leftOpen, rightOpen, leftWidth, rightWidth, timeline } = useSettings(
    (settings) => settings.view,
  );
  const width = (px: number | null): CSSProperties =>
    px === null ? {} : ({ '--column': `${px}px` } as CSSProperties);
  const [tab, setTab] = useState('settings');
  const column = (name: string, open: boolean) =>
    cn(
      'shrink-0 bg-panel max-lg:flex-1 lg:min-h-0 lg:w-(--column,clamp(17rem,20vw,24rem)) lg:overflow-y-auto',
      !open && 'lg:hidden',
      tab !== name && 'max-lg:hidden',
    );
  return (
    <Tabs.Root
      value={tab}
      onValueChange={setTab}
      className="flex min-h-0 flex-1 max-lg:flex-col max-lg:overflow-y-auto lg:flex-row"
    >
      <main className="flex min-w-0 flex-col max-lg:contents lg:order-3 lg:min-h-0 lg:flex-1">
        <ErrorBoundary region="The video panel">
          <OutputPanel />
        </ErrorBoundary>
        {timeline && (
          <ErrorBoundary region="The timeline">
            <Suspense>
              <TimelinePanel />
            </Suspense>
          </ErrorBoundary>
        )}
        <ErrorBoundary region="The prompt panel">
          <PromptBox />
        </ErrorBoundary>
      </main>
      <Tabs.List
        aria-label="Panels"
        className="flex shrink-0 border-y border-line bg-panel lg:hidden"
      >
        {TABS.map(({ value, label }) => (
          <Tabs.Trigger
            key={value}
            value={value}
            data-testid={`tab-${value}`}
            className="min-h-11 flex-1 border-b-2 border-transparent font-medium text-muted focus-visible:-outline-offset-2 data-[state=active]:border-accent data-[state=active]:text-ink"
          >
            {label}
          </Tabs.Trigger>
        ))}
      </Tabs.List>
      <Tabs.Content
        forceMount
        value="input"
        style={width(leftWidth)}
        className={cn(column('input', leftOpen), 'flex flex-col lg:order-1')}
      >
        <ErrorBoundary region="The input panel">
          <InputPanel />
        </ErrorBoundary>
        <KeyHints />
      </Tabs.Content>
      {leftOpen && <ColumnHandle side="left" className="lg:order-2" />}
      {rightOpen && <ColumnHandle side="right" className="lg:order-4" />}
      <Tabs.Content
        forceMount
        value="settings"
        style={width(rightWidth)}
        className={cn(column('settings', rightOpen), 'lg:order-5')}
      >
        <ErrorBoundary region="The settings panel">
          <SettingsPanel />
        </ErrorBoundary>
      </Tabs.Content>
    </Tabs.Root>
  );
}

export function App() {
  const figures = useSettings((settings) => settings.view.figures);
  const asks = usePreflight((preflight) => preflight.open);
  return (
    <Tooltip.Provider delayDuration={350} skipDelayDuration={200}>
      <ServerGate>
        <div className="flex h-dvh flex-col">
          <Header />
          <Columns />
          {figures && (
            <ErrorBoundary region="The statistics panel">
              <Suspense>
                <StatsPanel />
              </Suspense>
            </ErrorBoundary>
          )}
          <ErrorBoundary region="The log panel">
            <LogPanel />
          </ErrorBoundary>
          <StatusBar />
        </div>
        {asks && (
          <ErrorBoundary region="The dialog of model files">
            <Suspense>
              <PreflightDialog />
            </Suspense>
          </ErrorBoundary>
        )}
      </ServerGate>
      <Toasts />
    </Tooltip.Provider>
  );
}
