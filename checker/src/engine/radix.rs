//! Sorting by counting: for many keys of few bits, several times as fast as comparing them.

/// How many bits are looked at in one pass.
const DIGIT: u32 = 11;
/// Where there are fewer keys, counting does not pay.
const FEW: usize = 1 << DIGIT;

/// The keys in ascending order of their upper halves, those with equal ones in the order in which they came.
pub(crate) fn sorted(mut keys: Vec<u64>) -> Vec<u64> {
    if keys.len() < FEW {
        keys.sort_by_key(|key| key >> 32);
        return keys;
    }
    let bits = u64::BITS - keys.iter().fold(0, |all, key| all | key).leading_zeros();
    let mut other = vec![0; keys.len()];
    for shift in (32..bits).step_by(DIGIT as usize) {
        pass(&keys, &mut other, shift);
        std::mem::swap(&mut keys, &mut other);
    }
    keys
}

/// Sorts by one digit.
fn pass(from: &[u64], to: &mut [u64], shift: u32) {
    let digit = |key: u64| (key >> shift) as usize % (1 << DIGIT);
    let mut places = [0usize; 1 << DIGIT];
    for &key in from {
        places[digit(key)] += 1;
    }
    let mut begin = 0;
    for place in &mut places {
        begin += std::mem::replace(place, begin);
    }
    for &key in from {
        let place = &mut places[digit(key)];
        to[*place] = key;
        *place += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sorts_like_any_other() {
        let random = |seed: u64| seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
        for count in [0, 1, 2, FEW as u64 - 1, FEW as u64, 10_000] {
            for range in [1, 2, 1000, 1 << 20, 1 << 32] {
                let upper = |place: u64| random(place) % range;
                let keys: Vec<u64> = (0..count)
                    .map(|place| upper(place) << 32 | (count - place))
                    .collect();
                let mut expected = keys.clone();
                expected.sort_by_key(|key| key >> 32);
                assert_eq!(sorted(keys), expected, "{count} of {range}");
            }
        }
    }
}
