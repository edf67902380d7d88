export * from './oci-names.ts';
