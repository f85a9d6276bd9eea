// SPDX-License-Identifier: Apache-2.0
// Entry point: connects the stores to the server and mounts the page.
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { App } from './features/shell/App';
import { lifecycle, startController } from './state/controller';
import { exposeState } from './state/expose';
import { watchLogs } from './state/logs';
import { startPlayer } from './state/player';
import { boot, watchHealth } from './state/server';
import { flushSettings } from './state/settings';
import { watchCameras } from './state/source';
import './styles.css';

exposeState();
startController();
startPlayer();
watchHealth((time) => lifecycle.serverStartTime(time));
watchCameras();
window.addEventListener('pagehide', flushSettings);
void boot().then(() => watchLogs());

const root = document.getElementById('root');
if (root) {
  createRoot(root).render(
    <StrictMode>
      <App />
    </StrictMode>,
  );
}
