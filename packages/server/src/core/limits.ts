/** Seconds a record may be dated ahead of the server's clock (spec/admission.md). */
export const RECORD_AHEAD_SECONDS_MAX = 300n;
/** How old a record may be that is done under a grant that expires. */
export const EXPIRING_RECORD_AGE_SECONDS_MAX = 300;

/** Characters of a package name that may start a log; Warg's OpenAPI names this bound. */
export const PACKAGE_NAME_LENGTH_MAX = 128;

/** Characters of a version that may be released. */
export const VERSION_LENGTH_MAX = 256;

/** Entries one record may hold. */
export const RECORD_ENTRIES_MAX = 1_000;

/** Keys that the entries of one record may hold: a thousand take a twentieth of a second to be looked at. */
export const RECORD_KEYS_MAX = 1_000;

/** Releases of one record where a policy asks for steps: each may have two contents of 32 MiB read. */
export const STEPPED_RELEASES_MAX = 16;

/** Differences of two interfaces that a refusal names, and characters of each. */
export const DIFFERENCES_TOLD_MAX = 5;
export const DIFFERENCE_LENGTH_MAX = 200;

/** Records sequenced in one commit. */
export const BATCH_RECORDS_MAX = 1_000;

/** Records waiting for the sequencer; beyond it publishers are told to come back (429). */
export const QUEUE_RECORDS_MAX = 10_000;

/** How long a POST, a last upload and a GET of a record wait for its commit (spec/http.md 5). */
export const COMMIT_WAIT_MS = 2_000;

/** Without upload progress for this long, a record that waits for content is rejected. */
export const SOURCING_IDLE_MS = 30_000;

/** How often reservations are looked through for idle ones. */
export const SOURCING_SWEEP_MS = 1_000;

/** How long the rejection of a record can be asked for. */
export const REJECTION_KEPT_MS = 3_600_000;

/** Rejections that can be asked for at one time, and the bytes of their records; the oldest go first. */
export const REJECTIONS_KEPT_MAX = 100_000;
export const REJECTED_BYTES_MAX = 64 * 1024 * 1024;

/** Records that may wait for content at one time, over all packages, and bytes of their contents. */
export const PENDING_RECORDS_MAX = 10_000;
export const PENDING_BYTES_MAX = 64 * 1024 * 1024;

/** Bytes of one content file. */
export const CONTENT_BYTES_MAX = 4 * 1024 * 1024 * 1024;

/** Of smaller content the list of parts is not kept: making it takes some milliseconds. */
export const KEPT_LIST_CONTENT_BYTES_MIN = 1024 * 1024;

/** Smaller content is stored whole: what could be saved is not worth a second file at each read. */
export const PACK_CONTENT_BYTES_MIN = 1024 * 1024;

/** Of content that its base must have for it to be stored as slices. */
export const PACK_SHARED_SHARE_MIN = 0.5;

/** Slices of which content is stored: a look at it reads all of them, and each reader holds them, about a hundred bytes each. */
export const PACK_SLICES_MAX = 4_096;

/** Parts by which content is compared, and contents that are remembered for it: about two kilobytes each. */
export const SKETCH_PARTS = 16;
export const SKETCHES_MAX = 10_000;

/** Contents looked at in one step of packing, unless one of them is work; the pause between steps, and that between walks. */
export const PACK_STEP_CONTENTS = 100;
export const PACK_STEP_PAUSE_MS = 100;
export const PACK_WALK_PAUSE_MS = 10_000;
/** Of its time, at most: the requests are worth more. */
export const PACK_WORK_SHARE_MAX = 0.1;

/** Lists of parts that wait for being made; beyond it clients are told to come back (429), and take content whole. */
export const LISTS_WAITING_MAX = 64;

/** Lists that were asked for last are kept in memory up to so many bytes, and contents that are remembered to have none. */
export const LISTS_RECENT_BYTES_MAX = 32 * 1024 * 1024;
export const PARTLESS_CONTENTS_MAX = 10_000;

/** Contents that are remembered to be of a kind, about 200 bytes each. */
export const JUDGED_CONTENTS_MAX = 20_000;

/** Damaged content that is remembered, to be taken again when somebody uploads it: of a disk that fails, there may be very much. */
export const DAMAGED_CONTENTS_MAX = 100_000;

/** Records, versions and keys in the cache of package states, over all packages: some hundred bytes each. */
export const CACHED_STATE_ITEMS_MAX = 32_000;

/** Records read at once when a state is rebuilt. */
export const REPLAY_PAGE_RECORDS = 500;

/** Leaves or log ids in one proof request. */
export const PROOF_ITEMS_MAX = 4_000;

/** Warg's proofs write node indexes as u32: a log beyond this size cannot be proven by them. */
export const WARG_PROOF_LENGTH_MAX = 2 ** 31;

/** Leaves described by one ledger source. */
export const LEDGER_PAGE_LEAVES = 1_000;

/** Logs asked for in one `fetch/logs`: a Rust client asks for all packages that it has ever cached. */
export const FETCH_LOGS_MAX = 20_000;

/** Bytes of record contents in one `fetch/logs` answer; the rest comes with the next, as `more` says. */
export const FETCH_LOGS_BYTES_MAX = 16 * 1024 * 1024;

/** Records read from the store at once for an answer. */
export const FETCH_PAGE_RECORDS = 50;

/** How far the clock may be behind the last checkpoint before nothing is signed any more. */
export const CLOCK_BEHIND_SECONDS_MAX = 60;

/** A head nobody has added to is signed afresh after this long: clients refuse one that is too old (threat T3). */
export const HEAD_REFRESH_MS = 600_000;

/** How often the age of the head is looked at. */
export const HEAD_REFRESH_CHECK_MS = 15_000;

/** Bytes of record contents that may wait for the sequencer; beyond it publishers are told to come back (429). */
export const QUEUE_BYTES_MAX = 64 * 1024 * 1024;

/** For how long map proofs can be made for an older head, unless configured. */
export const MAP_PROOFS_KEPT_SECONDS = 3_600;

/** Map pages looked at in one step of pruning, and the pause between steps. */
export const PRUNE_STEP_PAGES = 1_000;
export const PRUNE_STEP_PAUSE_MS = 250;

/** The pause between two walks over the map. */
export const PRUNE_WALK_PAUSE_MS = 600_000;

/** Bytes of kept content read again each second, to find damage: a terabyte takes about three days. */
export const SCRUB_BYTES_PER_SECOND = 4 * 1024 * 1024;

/** Bytes read in one step of it. */
export const SCRUB_STEP_BYTES = 256 * 1024;

/** The pause between two walks over all content, and the shortest one between two steps. */
export const SCRUB_WALK_PAUSE_MS = 3_600_000;
export const SCRUB_STEP_PAUSE_MS = 10;

/** Access tokens that a store keeps; when there are as many, ended ones have to go before another is made. */
export const TOKENS_MAX = 10_000;

/** How long a token that has ended is still listed. */
export const ENDED_TOKEN_KEPT_SECONDS = 90 * 86_400;

/** How often it is written which tokens were used. */
export const TOKEN_USES_PAUSE_MS = 60_000;

/** Records gone through in one step of making holdings, the pause between steps, and that between looks for a gap. */
export const HOLDINGS_STEP_RECORDS = 200;
/** Holdings that are enough for one of those steps: a record may have a thousand. */
export const HOLDINGS_STEP_ROWS = 5_000;
export const HOLDINGS_STEP_PAUSE_MS = 10;
export const HOLDINGS_CHECK_MS = 3_600_000;

/** Releases in one answer about who holds a content: each may cost the replay of a log. */
export const HELD_RELEASES_DEFAULT = 20;
export const HELD_RELEASES_MAX = 100;

/** Bytes of record contents that are read for one such answer; the rest comes with the next. */
export const HELD_RECORD_BYTES_MAX = 4 * 1024 * 1024;

/** Records that come before one of the gateway, in a row, before it gives up; the pause grows with each. */
export const GATEWAY_TRIES_MAX = 20;
export const GATEWAY_PAUSE_MS = 20;
/** For how long pushes to a package wait for whoever was given the draft of a claim. */
export const GATEWAY_DRAFT_WAIT_MS = 2_000;
/** How often the gateway asks for its record while it is committed; each time takes up to COMMIT_WAIT_MS. */
export const GATEWAY_WAITS_MAX = 60;
/** Times that it brings content which the registry had and cannot read. */
export const GATEWAY_SOURCING_ROUNDS_MAX = 3;

/** Tags of one push to a package. */
export const PUSHED_TAGS_MAX = 16;
/** Bytes of the config of a release: it is read for what it says, in one turn of the event loop. */
export const PUSHED_CONFIG_BYTES_MAX = 1024 * 1024;

/** Bytes of one blob of the OCI view: beyond what a release may have, for plain repositories. */
export const OCI_BLOB_BYTES_MAX = 16 * 1024 * 1024 * 1024;

/** Tags that one push of a manifest may set. */
export const OCI_TAGS_AT_ONCE_MAX = 100;

/** Items of one answer that lists tags, where its client names no number (most read one page only), or repositories. */
export const OCI_TAGS_PAGE_MAX = 50_000;
export const OCI_CATALOG_PAGE_MAX = 1_000;

/** Read at once of a pushed layer, before what is of no interest in it is passed over; up to the other where nothing is. */
export const OUTLINE_STRETCH_BYTES = 64 * 1024;
export const OUTLINE_STRETCH_BYTES_MAX = 8 * 1024 * 1024;

/** Tags read from the store in one turn of the event loop, and names that a manifest has looked for: some milliseconds. */
export const OCI_TAGS_STEP = 1_000;
export const OCI_LOOKUPS_STEP = 200;

/** Names read from the store at once for a list that not everybody may see all of. */
export const OCI_NAMES_STEP = 200;

/** Repositories looked at for one that has a blob and may be read, where a client mounts it from wherever it is. */
export const MOUNT_LOOKUPS_MAX = 100;

/** Unfinished uploads at one time, those of one account, and those of all who are not known: accounts have room beside them. */
export const UPLOAD_SESSIONS_MAX = 1_000;
export const ACCOUNT_SESSIONS_MAX = 200;
export const UNKNOWN_SESSIONS_MAX = 800;

/** Bytes of them, in the same way. */
export const UPLOAD_BYTES_MAX = 256 * 1024 * 1024 * 1024;
export const ACCOUNT_UPLOAD_BYTES_MAX = 64 * 1024 * 1024 * 1024;
export const UNKNOWN_UPLOAD_BYTES_MAX = 192 * 1024 * 1024 * 1024;

/** For how long nobody may touch an upload; the second once there are many, the third where there is room for no other. */
export const UPLOAD_IDLE_MS = 24 * 3_600_000;
export const UPLOAD_SESSIONS_MANY = 500;
export const UPLOAD_IDLE_OF_MANY_MS = 3_600_000;
export const UPLOAD_IDLE_OF_FULL_MS = 600_000;

/** How old a blob of a repository is that goes because no manifest there names it, and one that goes as no repository has it. */
export const LOOSE_LINK_MS = 24 * 3_600_000;
export const LOOSE_BLOB_MS = 3_600_000;

/** Blobs that are remembered to have been asked for, and how long the sweep leaves them alone then. */
export const RECENT_BLOBS_MAX = 50_000;
export const RECENT_BLOB_MS = 3_600_000;

/** Links and blobs looked at in one step of the sweep, the pause between steps, and that between walks. */
export const OCI_SWEEP_STEP = 200;
export const OCI_SWEEP_STEP_PAUSE_MS = 100;
export const OCI_SWEEP_WALK_PAUSE_MS = 600_000;

/** Parts of repositories' names that `--oci-prefix` may name. */
export const OCI_PREFIXES_MAX = 100;

/** Releases that are fetched from one other registry at one time, and those that wait for their turn; lists of tags as many. */
export const IMPORTS_MAX = 4;
export const IMPORTS_WAITING_MAX = 64;

/** Bytes of one release with its configuration: as many as an upload may have. */
export const IMPORT_BYTES_MAX = 4 * 1024 * 1024 * 1024;

/** How long another registry's list of tags is shown without asking again, and that it does not have a release. */
export const UPSTREAM_LIST_MS = 60_000;
export const UPSTREAM_MISS_MS = 60_000;

/** How often another registry is asked whether a tag that was imported still means the same. */
export const UPSTREAM_RECHECK_MS = 3_600_000;

/** Characters of the lists that are remembered. */
export const UPSTREAM_LISTS_LENGTH_MAX = 16 * 1024 * 1024;

/** Misses and times of asking that are remembered, each. */
export const UPSTREAM_MEMORY_MAX = 10_000;

/** How long a token that was made for an OCI client is valid. */
export const OCI_TOKEN_SECONDS = 300;

/** Repositories that one such token names: it stands in a header, of which there are 16 KiB. */
export const OCI_GRANTS_MAX = 20;

/** Records, versions and annotations of the packages whose logs the OCI view has in memory, over all: some hundred bytes each. */
export const PACKAGE_LOG_ITEMS_MAX = 32_000;

/** Bytes of manifests and configurations made from releases that stay in memory, and of what refers to them. */
export const DERIVED_MANIFESTS_BYTES_MAX = 32 * 1024 * 1024;
export const LOG_REFERRERS_BYTES_MAX = 32 * 1024 * 1024;

/** Documents of releases that are remembered by digest, over all packages: some 200 bytes each. */
export const RELEASE_DOCUMENTS_MAX = 100_000;

/** Releases looked at for one digest that nobody knows, and bytes of their contents; the rest comes with the next try. */
export const LOOKED_RELEASES_MAX = 1_000;
export const LOOKED_CONTENT_BYTES_MAX = 1024 * 1024 * 1024;

/** Pushed manifests of which it is remembered what they hold. */
export const HELD_MANIFESTS_MAX = 10_000;

/** Files of trees that are remembered to be in them: some hundred bytes each. */
export const TREE_MEMBERS_MAX = 200_000;

/** Referrers in one answer, and bytes of the manifests that they are read from; the rest comes with the next. */
export const REFERRERS_PAGE_MAX = 500;
export const REFERRERS_PAGE_BYTES_MAX = 8 * 1024 * 1024;
/** Of what was pushed, read from the store at once. */
export const REFERRERS_STEP = 16;

/** Contents of which it is remembered which namespaces release them, and releases that are looked at in one step. */
export const CONTENT_SPACES_MAX = 100_000;
export const HOLDINGS_STEP = 50;

/** Where namespaces are private, what is named by annotations and in trees is remembered: some hundred bytes each. */
export const OTHER_NAMES_MAX = 1_000_000;

/** Releases that are passed over in one answer, as whoever asks may not see them: after these it ends. */
export const HIDDEN_HOLDINGS_MAX = 1_000;
