// world root:component/root
export * as words from './interfaces/example-words-words.js'; // export example:words/words@1.0.0
