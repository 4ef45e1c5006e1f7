//! How much of a table or a B-tree is air, estimated from planner statistics. Pure.
//!
//! The idea is the usual one: from the average width of the columns follows the size of a row, from that how many fit on a page at the
//! fill factor, from that how many pages the rows would need if they were written afresh. The rest is bloat. Two things are done here that
//! simple versions leave out: the share of bloat is taken at the moment of the last vacuum or analyze, when pages and rows were counted
//! together, and then applied to the size of now; and B-trees are counted as PostgreSQL 13 and newer build them, with equal keys merged.
#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "an estimate"
)]

const PAGE_HEADER: f64 = 24.0;
const ITEM_POINTER: f64 = 4.0;
const TUPLE_HEADER: f64 = 23.0;
const BTREE_SPECIAL: f64 = 16.0;
const INDEX_TUPLE_HEADER: f64 = 8.0;
/// Inner pages of a B-tree are filled to this share, whatever the fill factor.
const INNER_FILL: f64 = 0.7;
/// Equal keys are merged until the list of row addresses, six bytes each, takes a tenth of a page.
const POSTING_SHARE: f64 = 0.1;
const ROW_ADDRESS: f64 = 6.0;

/// What is known of a table.
#[derive(Clone, Debug)]
pub(super) struct TableShape {
    /// Size of now.
    pub(super) bytes: u64,
    /// Size of a page.
    pub(super) page: u32,
    /// Pages at the last vacuum or analyze.
    pub(super) pages: f64,
    /// Rows at the last vacuum or analyze; negative if there was none.
    pub(super) rows: f64,
    /// In percent.
    pub(super) fill: f64,
    pub(super) columns: f64,
    /// Average bytes of all columns of a row together, nulls counted as nothing.
    pub(super) width: f64,
    /// Whether any column is ever null.
    pub(super) nulls: bool,
}

/// What is known of a B-tree.
#[derive(Clone, Debug)]
pub(super) struct IndexShape {
    /// Size of now.
    pub(super) bytes: u64,
    /// Size of a page.
    pub(super) page: u32,
    /// Pages at the last vacuum, analyze or build.
    pub(super) pages: f64,
    /// Entries at the last vacuum, analyze or build; negative if there was none.
    pub(super) rows: f64,
    /// In percent.
    pub(super) fill: f64,
    /// Average bytes of all columns of an entry together, nulls counted as nothing.
    pub(super) width: f64,
    /// Whether any column is ever null.
    pub(super) nulls: bool,
    /// How many different keys there are, at most.
    pub(super) keys: f64,
    /// Whether equal keys are merged.
    pub(super) merges: bool,
}

/// Bytes that a rewritten table would save; unknown without statistics.
pub(super) fn of_table(shape: &TableShape) -> Option<u64> {
    let bitmap = if shape.nulls {
        (shape.columns / 8.0).ceil()
    } else {
        0.0
    };
    let row = ITEM_POINTER + aligned(TUPLE_HEADER + bitmap) + aligned(shape.width);
    let usable = (f64::from(shape.page) - PAGE_HEADER) * shape.fill / 100.0;
    let needed = (shape.rows * row / usable).ceil();
    share(shape.bytes, shape.pages, shape.rows, needed)
}

/// Bytes that a rebuilt B-tree would save; unknown without statistics.
pub(super) fn of_index(shape: &IndexShape) -> Option<u64> {
    let page = f64::from(shape.page);
    // The bitmap of nulls has one size for any number of columns.
    let header = if shape.nulls {
        INDEX_TUPLE_HEADER + 4.0
    } else {
        INDEX_TUPLE_HEADER
    };
    let entry = aligned(aligned(header) + shape.width);
    let mut bytes = shape.rows * (entry + ITEM_POINTER);
    let keys = shape.keys.clamp(1.0, shape.rows.max(1.0));
    if shape.merges && keys < shape.rows {
        let room = ((page * POSTING_SHARE - entry) / ROW_ADDRESS)
            .floor()
            .max(1.0);
        let lists = keys * (shape.rows / keys / room).ceil();
        bytes = bytes.min(shape.rows * ROW_ADDRESS + lists * (entry + ITEM_POINTER));
    }
    let usable = page - PAGE_HEADER - BTREE_SPECIAL;
    let leaves = (bytes / (usable * shape.fill / 100.0)).ceil();
    let inner = (leaves * (entry + ITEM_POINTER) / (usable * INNER_FILL)).ceil();
    share(shape.bytes, shape.pages, shape.rows, 1.0 + leaves + inner)
}

/// The share of pages that are not needed, applied to the size of now.
fn share(bytes: u64, pages: f64, rows: f64, needed: f64) -> Option<u64> {
    if rows < 0.0 || pages < 1.0 {
        return (bytes == 0).then_some(0);
    }
    let air = (1.0 - needed / pages).max(0.0);
    air.is_finite().then_some((bytes as f64 * air) as u64)
}

/// Bytes that a rebuilt B-tree would save, from what pgstatindex measured.
pub(super) fn measured(page: u32, leaves: i64, density: f64, unused: i64, fill: f64) -> u64 {
    let air = if density.is_finite() {
        (1.0 - density / fill).max(0.0) * leaves as f64
    } else {
        0.0
    };
    ((air + unused.max(0) as f64) * f64::from(page)) as u64
}

fn aligned(bytes: f64) -> f64 {
    (bytes / 8.0).ceil() * 8.0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A million rows of one bigint: 21.4 MB and 2,745 pages as the server builds it.
    fn bigints() -> IndexShape {
        IndexShape {
            bytes: 2_745 * 8192,
            page: 8192,
            pages: 2_745.0,
            rows: 1e6,
            fill: 90.0,
            width: 8.0,
            nulls: false,
            keys: 1e6,
            merges: true,
        }
    }

    fn near(bloat: Option<u64>, bytes: u64, share: f64) {
        let found = bloat.unwrap() as f64 / bytes as f64;
        assert!((found - share).abs() < 0.04, "{found} instead of {share}");
    }

    #[test]
    fn a_fresh_index_has_no_bloat() {
        near(of_index(&bigints()), bigints().bytes, 0.0);
    }

    #[test]
    fn an_index_of_twice_the_size_is_half_bloat() {
        let shape = IndexShape {
            pages: 5_490.0,
            bytes: 5_490 * 8192,
            ..bigints()
        };
        near(of_index(&shape), shape.bytes, 0.5);
        let grown = IndexShape {
            bytes: 10_980 * 8192,
            ..shape
        };
        near(of_index(&grown), grown.bytes, 0.5);
    }

    /// A million rows of an integer with a hundred values: 847 pages as the server builds it.
    #[test]
    fn equal_keys_are_merged() {
        let shape = IndexShape {
            bytes: 847 * 8192,
            pages: 847.0,
            width: 4.0,
            keys: 100.0,
            ..bigints()
        };
        near(of_index(&shape), shape.bytes, 0.0);
        let unmerged = IndexShape {
            merges: false,
            pages: 2_745.0,
            ..shape
        };
        near(of_index(&unmerged), unmerged.bytes, 0.0);
    }

    #[test]
    fn nothing_is_claimed_without_statistics() {
        let unknown = IndexShape {
            rows: -1.0,
            ..bigints()
        };
        assert_eq!(of_index(&unknown), None);
        let table = TableShape {
            bytes: 8192,
            page: 8192,
            pages: 0.0,
            rows: 0.0,
            fill: 100.0,
            columns: 1.0,
            width: 4.0,
            nulls: false,
        };
        assert_eq!(of_table(&table), None);
        assert_eq!(of_table(&TableShape { bytes: 0, ..table }), Some(0));
    }

    /// 100,000 rows of an integer and a text of 84 bytes: 1,640 pages, as pgbench's accounts.
    #[test]
    fn a_table_of_dead_rows_is_bloat() {
        let table = TableShape {
            bytes: 1_640 * 8192,
            page: 8192,
            pages: 1_640.0,
            rows: 100_000.0,
            fill: 100.0,
            columns: 4.0,
            width: 97.0,
            nulls: false,
        };
        near(of_table(&table), table.bytes, 0.0);
        near(
            of_table(&TableShape {
                rows: 25_000.0,
                ..table.clone()
            }),
            table.bytes,
            0.75,
        );
        near(
            of_table(&TableShape {
                rows: 0.0,
                ..table.clone()
            }),
            table.bytes,
            1.0,
        );
    }

    #[test]
    fn measured_bloat_counts_empty_pages() {
        assert_eq!(measured(8192, 100, 90.0, 0, 90.0), 0);
        assert_eq!(measured(8192, 100, 45.0, 10, 90.0), 60 * 8192);
        assert_eq!(measured(8192, 0, f64::NAN, 3, 90.0), 3 * 8192);
    }
}
