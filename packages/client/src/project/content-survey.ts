import type { ContentReader } from './project-source.ts';

/** What content is and needs. */
export const surveyContent: ContentReader = () => ({ isWit: false, needs: [] });
