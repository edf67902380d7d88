export { ociDigestOf } from './oci-digest.ts';
export {
  algorithmOf,
  isOciAlgorithm,
  packageOf,
  parseOciDigest,
  parseReference,
  parseRepository,
  parseTag,
  REPOSITORY_LENGTH_MAX,
  repositoryOf,
  tagOf,
  versionOf,
  type OciAlgorithm,
  type OciDigest,
  type OciReference,
  type RepositoryName,
  type TagName,
} from './oci-names.ts';
