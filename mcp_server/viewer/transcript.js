// A transcript: the whole text, or each segment with its start time.
function showTranscript(data) {
  const box = element("figure");
  view.append(box);
  if (data.segments?.length) box.append(element("div", { className: "scroll" }, segmentTable(data.segments)));
  else box.append(element("blockquote", { textContent: data.text || "No speech was heard." }));
  const details = [data.language, data.duration && `${data.duration} s`, data.model].filter(Boolean).join(", ");
  box.append(element("p", { className: "quiet", textContent: details }));
  if (data.path) box.append(element("p", { className: "quiet", textContent: data.path }));
  if (data.uri) box.append(...saveForm(data.uri, "transcript.txt"));
}

function segmentTable(segments) {
  const table = element("table");
  for (const { start, text } of segments) {
    table.append(element("tr", {}, element("td", { textContent: minutesAndSeconds(start) }), element("td", { textContent: text })));
  }
  return table;
}

function minutesAndSeconds(seconds) {
  const whole = Math.floor(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}
