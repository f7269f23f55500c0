// Labels of the tasks and colors of the models.
// @ts-check

const TASKS = {
  vision: { label: "Vision", hue: 265 },
  image: { label: "Image", hue: 70 },
  transcription: { label: "Transcription", hue: 185 },
  speech: { label: "Speech", hue: 12 },
  text: { label: "Text", hue: 235 },
  embedding: { label: "Embedding", hue: 130 },
};

/** @param {string} task */
export const taskLabel = (task) => TASKS[task]?.label ?? task;

const LIGHTNESS = [0.7, 0.58, 0.8, 0.5];

/** Return the task's hue in the lightness of its model number `index`. @param {string} task @param {number} index */
const modelColor = (task, index) => `oklch(${LIGHTNESS[index % 4]} 0.15 ${TASKS[task]?.hue ?? 0})`;

/**
 * Return a color for each model by name. Colors change only if the list of models changes.
 * @param {{name: string, task: string}[]} models
 * @returns {Record<string, string>}
 */
export function modelColors(models) {
  const countOfTask = {};
  return Object.fromEntries(models.map(({ name, task }) => {
    const index = countOfTask[task] ?? 0;
    countOfTask[task] = index + 1;
    return [name, modelColor(task, index)];
  }));
}
