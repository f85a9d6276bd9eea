// SPDX-License-Identifier: Apache-2.0
// Runs in the page before its scripts: answers offers with a second peer connection that sends a
// drawn picture, records data-channel messages and can send some. Test scripts use window.__peer.
(() => {
  const realFetch = window.fetch.bind(window);
  const peers = [];
  const messages = [];
  const positions = [];
  /** Drawing and encoding take most of a check's time on a small machine. */
  const FPS = 15;

  function picture() {
    const canvas = document.createElement('canvas');
    canvas.width = 512;
    canvas.height = 512;
    const context = canvas.getContext('2d');
    let frame = 0;
    const draw = () => {
      frame++;
      const t = frame / FPS;
      const sky = context.createLinearGradient(0, 0, 512, 512);
      sky.addColorStop(0, `hsl(${(t * 8) % 360} 55% 22%)`);
      sky.addColorStop(1, `hsl(${(t * 8 + 110) % 360} 60% 38%)`);
      context.fillStyle = sky;
      context.fillRect(0, 0, 512, 512);
      for (let i = 0; i < 14; i++) {
        const angle = t * 0.5 + (i / 14) * Math.PI * 2;
        context.fillStyle = `hsl(${(i * 26 + t * 30) % 360} 75% 66% / 0.75)`;
        context.beginPath();
        context.arc(256 + Math.cos(angle) * (120 + 60 * Math.sin(t + i)), 256 + Math.sin(angle * 1.3) * 150, 18 + 10 * Math.sin(t * 2 + i), 0, 7);
        context.fill();
      }
      context.fillStyle = '#ff0000';
      context.fillRect(0, 0, 48, 48);
    };
    // The pause begins when a picture is done, so that a slow machine has time left for the page.
    const turn = () => {
      draw();
      setTimeout(turn, 1000 / FPS);
    };
    turn();
    return canvas.captureStream(FPS).getVideoTracks()[0];
  }

  async function answer(sdp) {
    const pc = new RTCPeerConnection();
    const peer = { pc, channel: null };
    peers.push(peer);
    pc.ondatachannel = (event) => {
      peer.channel = event.channel;
      event.channel.onmessage = (message) => {
        messages.push(JSON.parse(message.data));
        positions.push(window.__ui.state().timeline?.position ?? null);
      };
    };
    await pc.setRemoteDescription({ type: 'offer', sdp });
    const video = pc.getTransceivers().find((t) => t.receiver.track.kind === 'video');
    video.direction = 'sendrecv';
    await video.sender.replaceTrack(picture());
    // Both peers are in this page: whichever candidate comes first reaches the other.
    const candidate = new Promise((resolve) => {
      pc.onicecandidate = resolve;
    });
    await pc.setLocalDescription(await pc.createAnswer());
    window.__peer.step = 'gathers candidates';
    await candidate;
    window.__peer.step = 'answered';
    return pc.localDescription.sdp;
  }

  window.fetch = async (path, options = {}) => {
    const isOffer = String(path).endsWith('webrtc/offer') && options.method === 'POST';
    if (isOffer && window.__peer.refuse) throw new TypeError('refused');
    const response = await realFetch(path, options);
    const isPatch = options.method === 'PATCH' && response.ok;
    if (isPatch) {
      const peer = peers.at(-1);
      for (const candidate of JSON.parse(options.body).candidates) {
        await peer.pc.addIceCandidate(candidate).catch(() => undefined);
      }
    }
    if (!isOffer || !response.ok) return response;
    const { sessionId } = await response.json();
    window.__peer.step = 'answers';
    const sdp = await answer(JSON.parse(options.body).sdp);
    return new Response(JSON.stringify({ sdp, type: 'answer', sessionId }), { status: 200 });
  };

  window.__peer = {
    messages,
    /** Where the timeline was when each of them came. */
    positions,
    /** What became of the last offer, for the message of a check that fails. */
    step: 'no offer',
    refuse: false,
    send: (message) => peers.at(-1).channel.send(JSON.stringify(message)),
    drop: () => peers.at(-1).pc.close(),
    framesSent: async () => [...(await peers.at(-1).pc.getStats()).values()]
      .find((entry) => entry.type === 'outbound-rtp')?.framesSent ?? 0,
  };
})();
