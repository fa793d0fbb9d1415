// SPDX-License-Identifier: Apache-2.0
//! `?1` as PostgreSQL writes it.

/// Writes each placeholder `?n` as `$n`. What stands in quotes and in comments is left alone.
pub(super) fn numbered(sql: &str) -> String {
    let mut text = String::with_capacity(sql.len());
    let mut rest = sql;
    while let Some(at) = rest.find(['?', '\'', '"', '-', '/']) {
        let (before, here) = rest.split_at(at);
        text.push_str(before);
        let taken = match here.as_bytes() {
            [b'?', b'1'..=b'9', ..] => {
                text.push('$');
                rest = here.get(1..).unwrap_or_default();
                continue;
            }
            [quote @ (b'\'' | b'"'), ..] => quoted(here, *quote),
            [b'-', b'-', ..] => here.find('\n').unwrap_or(here.len()),
            [b'/', b'*', ..] => comment(here),
            _ => 1,
        };
        let (kept, after) = here.split_at(taken);
        text.push_str(kept);
        rest = after;
    }
    text.push_str(rest);
    text
}

/// Length of a quoted piece. A doubled quote ends one piece and begins the next: the same bytes are kept.
fn quoted(text: &str, quote: u8) -> usize {
    let end = text.bytes().skip(1).position(|byte| byte == quote);
    end.map_or(text.len(), |at| at + 2)
}

/// Length of a comment; PostgreSQL nests them.
fn comment(text: &str) -> usize {
    let (mut depth, mut at) = (0u32, 0);
    while let Some(pair) = text.as_bytes().get(at..at + 2) {
        match pair {
            b"/*" => depth += 1,
            b"*/" if depth == 1 => return at + 2,
            b"*/" => depth -= 1,
            _ => {
                at += 1;
                continue;
            }
        }
        at += 2;
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::numbered;

    #[test]
    fn placeholders_are_rewritten_and_nothing_else() {
        for (from, to) in [
            ("SELECT ?2, ?1", "SELECT $2, $1"),
            ("a = ?12 AND b=?3", "a = $12 AND b=$3"),
            ("'?1' || ?1 || \"?2\"", "'?1' || $1 || \"?2\""),
            ("'it''s ?1' || ?1", "'it''s ?1' || $1"),
            ("?1 -- ?2\n + ?2", "$1 -- ?2\n + $2"),
            ("?1 /* ?2 /* ?3 */ ?4 */ - ?2 / ?3", "$1 /* ?2 /* ?3 */ ?4 */ - $2 / $3"),
            ("?1 - -?2", "$1 - -$2"),
            ("'é ?1' || ?1", "'é ?1' || $1"),
            ("'open ?1", "'open ?1"),
            ("/* open ?1", "/* open ?1"),
            ("a ? b ?0", "a ? b ?0"),
            ("", ""),
        ] {
            assert_eq!(numbered(from), to);
        }
    }
}
