// Speech: a player with a waveform, and the spoken text.
// Bytes of 16-bit mono samples; a larger result is not sent through the host.
const MAX_AUDIO_BYTES = 8e6;
const BARS = 240;

async function showSound(data, content, args) {
  const box = element("figure");
  view.append(box);
  const text = element("blockquote", { textContent: args.text ?? "" });
  const details = `${data.duration} s, ${data.voice ?? "voice"} of ${data.model}`;
  const path = element("p", { className: "quiet", textContent: data.path });
  try {
    box.append(...player(await wavOf(data, content)));
  } catch (error) {
    box.append(element("p", { className: "quiet", textContent: error.message }));
  }
  box.append(text, element("p", { className: "quiet", textContent: details }), path);
  box.append(...saveForm(data.uri, `${slug(args.text ?? "speech")}.mp3`));
}

async function wavOf(data, content) {
  const block = content.find((item) => item.type === "audio");
  if (block) return block.data;
  if (!host.resources) throw new Error("This host cannot load the audio; open the file.");
  if (data.duration * data.sample_rate * 2 > MAX_AUDIO_BYTES) throw new Error("The audio is too long to play here; open the file.");
  return readBase64(data.uri);
}

function player(base64) {
  const audio = element("audio", { controls: true, src: `data:audio/wav;base64,${base64}` });
  const canvas = element("canvas", { width: BARS * 3, height: 64 });
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", "Waveform");
  const levels = peaks(samples(base64), BARS);
  const draw = () => drawWave(canvas, levels, audio.duration ? audio.currentTime / audio.duration : 0);
  for (const event of ["timeupdate", "loadedmetadata", "ended"]) audio.addEventListener(event, draw);
  canvas.addEventListener("click", (event) => {
    audio.currentTime = (event.offsetX / canvas.clientWidth) * (audio.duration || 0);
  });
  draw();
  return [canvas, audio];
}

// Senses writes 16-bit mono WAV; the samples are in the chunk "data" (RIFF, Multimedia Programming Interface 1.0).
function samples(base64) {
  const bytes = Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
  const riff = new DataView(bytes.buffer);
  let offset = 12;
  while (offset + 8 <= bytes.length && String.fromCharCode(...bytes.subarray(offset, offset + 4)) !== "data") {
    offset += 8 + riff.getUint32(offset + 4, true);
  }
  const start = Math.min(offset + 8, bytes.length);
  return new Int16Array(bytes.buffer.slice(start, start + 2 * Math.floor((bytes.length - start) / 2)));
}

function peaks(wave, count) {
  return Array.from({ length: count }, (_, bar) => {
    let peak = 0;
    const end = Math.floor(((bar + 1) * wave.length) / count);
    for (let index = Math.floor((bar * wave.length) / count); index < end; index += 1) {
      peak = Math.max(peak, Math.abs(wave[index]));
    }
    return peak / 32768;
  });
}

function drawWave(canvas, levels, played) {
  const pen = canvas.getContext("2d");
  const style = getComputedStyle(canvas);
  const loudest = Math.max(...levels, 0.01);
  pen.clearRect(0, 0, canvas.width, canvas.height);
  levels.forEach((level, bar) => {
    const height = Math.max(2, (level / loudest) * (canvas.height - 4));
    pen.fillStyle = bar < played * levels.length ? style.outlineColor : style.color;
    pen.fillRect(bar * 3, (canvas.height - height) / 2, 2, height);
  });
}
