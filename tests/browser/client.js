// SPDX-License-Identifier: Apache-2.0
// Runs inside a page: a client that speaks the wire protocol by hand, without the page's own code.
window.connectClient = async ({ initial = {}, direction = 'sendrecv', audio = false, camera = false, load = null,
  candidatesLast = false }) => {
  const post = async (path, body, method = 'POST') => {
    const reply = await fetch(path, {
      method,
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(body),
    });
    const text = await reply.text();
    return { status: reply.status, body: text ? JSON.parse(text) : null };
  };
  if (load) {
    await post('/api/v1/pipeline/load', load);
    for (let i = 0; i < 200; i++) {
      const { status, error } = await (await fetch('/api/v1/pipeline/status')).json();
      if (status === 'loaded') break;
      if (status === 'error') throw new Error(error);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
  const { iceServers } = await (await fetch('/api/v1/webrtc/ice-servers')).json();
  const peer = new RTCPeerConnection({ iceServers: iceServers.filter(() => false) });
  const channel = peer.createDataChannel('parameters', { ordered: true });
  const messages = [];
  channel.onmessage = (event) => messages.push(JSON.parse(event.data));
  const video = document.createElement('video');
  video.muted = video.autoplay = video.playsInline = true;
  video.dataset.testid = 'video-output';
  document.body.replaceChildren(video);
  peer.ontrack = (event) => {
    if (event.track.kind === 'video') video.srcObject = event.streams[0] ?? new MediaStream([event.track]);
  };
  if (camera) {
    const stream = await navigator.mediaDevices.getUserMedia({ video: true });
    peer.addTrack(stream.getVideoTracks()[0], stream);
  } else {
    peer.addTransceiver('video', { direction });
  }
  if (audio) peer.addTransceiver('audio', { direction: 'recvonly' });
  const waiting = [];
  let sessionId = null;
  const trickle = (candidates) => post(`/api/v1/webrtc/offer/${sessionId}`, { candidates }, 'PATCH');
  peer.onicecandidate = ({ candidate }) => {
    if (!candidate) return;
    const { sdpMid, sdpMLineIndex } = candidate;
    const item = { candidate: candidate.candidate, sdpMid, sdpMLineIndex };
    if (sessionId) trickle([item]);
    else waiting.push(item);
  };
  await peer.setLocalDescription(await peer.createOffer());
  const offered = performance.now();
  const answer = await post('/api/v1/webrtc/offer',
    { sdp: peer.localDescription.sdp, type: 'offer', initialParameters: initial });
  if (answer.status !== 200) return { status: answer.status, detail: answer.body.detail };
  sessionId = answer.body.sessionId;
  const remote = { type: 'answer', sdp: answer.body.sdp };
  if (candidatesLast) await peer.setRemoteDescription(remote);
  const trickled = waiting.length ? (await trickle(waiting)).status : 204;
  if (!candidatesLast) await peer.setRemoteDescription(remote);
  window.client = { peer, channel, video, messages, sessionId, post, offered };
  return { status: 200, sessionId, sdp: answer.body.sdp, trickled };
};
