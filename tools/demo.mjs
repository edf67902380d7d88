// npm run demo: installs and builds what is missing, then tells the story.
import { prepare } from './workspace.mjs';

if (await prepare()) {
  const { tellStory } = await import('./demo-story.mjs');
  process.exitCode = (await tellStory()) ? 0 : 1;
} else {
  process.exitCode = 1;
}
