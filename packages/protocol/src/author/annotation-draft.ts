import { isRegistryError, messageOf, RegistryError } from '../errors.ts';
import {
  checkAnnotation,
  isAnnotationTypeKnown,
  isFreeAnnotationType,
} from '../record-log/annotations/annotation-types.ts';
import { decodeAnnotation, encodeAnnotation, type AnnotationDraft } from '../record-log/annotations/annotation.ts';

/** The bytes of an annotation that every reader can read. Throws `usage/invalid` for any other, before anything is signed. */
export function encodeDraft(draft: AnnotationDraft): Uint8Array {
  if (!isAnnotationTypeKnown(draft.type) && !isFreeAnnotationType(draft.type)) throw unknownType(draft.type);
  try {
    const bytes = encodeAnnotation(draft);
    checkAnnotation(decodeAnnotation(bytes));
    return bytes;
  } catch (cause) {
    if (!isRegistryError(cause)) throw cause;
    throw new RegistryError(
      'usage/invalid',
      `the annotation of type ${draft.type}: ${messageOf(cause)}`,
      {},
      { cause },
    );
  }
}

export function unknownType(type: string): RegistryError {
  const message = `${type} is no type of annotation: one of your own starts with x., such as x.example`;
  return new RegistryError('usage/invalid', message);
}
