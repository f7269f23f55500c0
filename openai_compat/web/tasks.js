// What each task is called here, and the colour it has everywhere on the page.
// @ts-check

export const TASKS = {
  vision: { verb: "See", hue: 265 },
  image: { verb: "Draw", hue: 70 },
  transcription: { verb: "Hear", hue: 185 },
  speech: { verb: "Speak", hue: 12 },
  text: { verb: "Write", hue: 235 },
};

/** The task's word. @param {string} task */
export const verb = (task) => TASKS[task]?.verb ?? task;

const LIGHTNESS = [0.7, 0.58, 0.8, 0.5];

/** The task's colour; `step` tells models of the same task apart. @param {string} task @param {number} step */
export const colour = (task, step = 0) => `oklch(${LIGHTNESS[step % 4]} 0.15 ${TASKS[task]?.hue ?? 0})`;

/**
 * A colour for every model, the same as long as the list of models is.
 * @param {{name: string, task: string}[]} models
 * @returns {Record<string, string>}
 */
export function colours(models) {
  const seen = {};
  return Object.fromEntries(models.map(({ name, task }) => [name, colour(task, (seen[task] = (seen[task] ?? -1) + 1))]));
}
