//! Critical sections: pairs of operations between which no other may stand.
//!
//! Section x must come before y if some operation of x completed before one of y began: if x's earliest
//! completion m lies before y's latest start M. There is an order iff no two sections must each come before
//! the other, and the order of m + M is one (shortest cycles of this relation have length 2: of m1 < M2 <= m3
//! and m3 < M4 <= m1 one would contradict the other; and m1 < M2 with M1 <= m2 gives m1 + M1 < m2 + M2).

/// A section's times.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Section {
    /// The earliest completion of its operations.
    pub first_finish: u64,
    /// The latest start of its operations; `u64::MAX` if it never ends.
    pub last_start: u64,
}

/// The order of sections, by number.
///
/// # Errors
/// Two that must each come before the other.
pub(crate) fn order(sections: &[Section]) -> Result<Vec<usize>, (usize, usize)> {
    let mut order: Vec<usize> = (0..sections.len()).collect();
    order.sort_by_key(|&number| {
        let section = sections[number];
        u128::from(section.first_finish) + u128::from(section.last_start)
    });
    let mut latest: Option<usize> = None;
    for &number in &order {
        if let Some(before) =
            latest.filter(|&before| sections[number].first_finish < sections[before].last_start)
        {
            return Err((before, number));
        }
        if latest.is_none_or(|before| sections[before].last_start < sections[number].last_start) {
            latest = Some(number);
        }
    }
    Ok(order)
}
